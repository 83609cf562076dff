"""REST views of a user's own API tokens and sessions, and of all accounts for administrators."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, cast
from uuid import UUID

from django.db.models import QuerySet
from django.utils import timezone
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.mixins import DestroyModelMixin, ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from aiops.errors import Forbidden, Invalid, NotFound
from aiops.people import administration, sessions, tokens
from aiops.people.models import ApiToken, BrowserSession, User
from aiops.people.shapes import NewTokenOut, PersonChange, PersonIn, PersonOut, SessionOut, TokenIn, TokenOut
from aiops.web.api import creating
from aiops.web.api.paging import ById


@extend_schema_view(list=extend_schema(tags=["tokens"]), destroy=extend_schema(tags=["tokens"]))
class Tokens(ListModelMixin, DestroyModelMixin, GenericViewSet[ApiToken]):
    """``/api/tokens/``."""

    queryset = ApiToken.objects.none()
    serializer_class = TokenOut
    pagination_class = ById
    lookup_value_converter = "uuid"

    def get_queryset(self) -> QuerySet[ApiToken]:
        return ApiToken.objects.filter(user=self.request.user.pk)

    def perform_destroy(self, instance: ApiToken) -> None:
        tokens.revoke(ApiToken.objects.filter(pk=instance.pk), actor=cast(User, self.request.user))

    @extend_schema(request=TokenIn, responses={201: NewTokenOut}, tags=["tokens"])
    def create(self, request: Request) -> Response:
        """Create a token. Its text is in this response only, so an Idempotency-Key cannot repeat the response."""
        if creating.HEADER in request.headers:
            raise Invalid(
                "A token's text is shown once: send no Idempotency-Key here.", code="idempotency_not_possible"
            )
        fields = TokenIn.read(request.data)
        user, days = cast(User, request.user), fields.pop("expires_in_days", None)
        expires_at = timezone.now() + timedelta(days=days) if days else None
        token, text = tokens.issue(user, actor=user, expires_at=expires_at, **fields)
        token.refresh_from_db()
        return Response({**TokenOut(token).data, "token": text}, status=201)


@extend_schema_view(list=extend_schema(tags=["sessions"]))
class Sessions(ListModelMixin, GenericViewSet[BrowserSession]):
    """``/api/sessions/``."""

    queryset = BrowserSession.objects.none()
    serializer_class = SessionOut
    pagination_class = ById
    lookup_value_converter = "uuid"

    def get_queryset(self) -> QuerySet[BrowserSession]:
        return sessions.of(cast(User, self.request.user))

    @extend_schema(responses={204: None}, tags=["sessions"])
    def destroy(self, request: Request, pk: UUID) -> Response:
        """Sign out there; open streams of that session end."""
        if not sessions.end(cast(User, request.user), pk):
            raise NotFound("There is no such session.")
        return Response(status=204)


@extend_schema_view(list=extend_schema(tags=["people"]), retrieve=extend_schema(tags=["people"]))
class People(ListModelMixin, RetrieveModelMixin, GenericViewSet[User]):
    """``/api/people/``, for holders of the permissions to see, add and change users."""

    queryset = User.objects.none()
    serializer_class = PersonOut
    pagination_class = ById
    lookup_value_converter = "uuid"

    def get_queryset(self) -> QuerySet[User]:
        if not cast(User, self.request.user).has_perm(administration.VIEW):
            raise Forbidden(f"This needs the permission {administration.VIEW}: ask an administrator.")
        return administration.everybody()

    @extend_schema(request=PersonIn, responses={201: PersonOut}, parameters=[creating.PARAMETER], tags=["people"])
    def create(self, request: Request) -> Response:
        """Create an account."""
        fields = PersonIn.read(request.data)

        def act(user: User) -> tuple[int, Any]:
            made = administration.create(user, fields)
            made.refresh_from_db()
            return 201, PersonOut(made).data

        known = {name: value for name, value in fields.items() if name != "password"}  # of which no hash is kept
        return creating.create(request, act, sent=known)

    @extend_schema(request=PersonChange, responses=PersonOut, tags=["people"])
    def partial_update(self, request: Request, pk: Any) -> Response:
        """Change an account: names, groups, staff status; a deactivated one is signed out everywhere at once."""
        administration.change(cast(User, request.user), self.get_object(), PersonChange.read(request.data))
        return Response(PersonOut(self.get_object()).data)
