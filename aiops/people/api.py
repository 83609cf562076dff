"""REST views of a user's own API tokens (list, create, revoke) and sessions (list, end)."""

from __future__ import annotations

from datetime import timedelta
from typing import cast
from uuid import UUID

from django.db.models import QuerySet
from django.utils import timezone
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.mixins import DestroyModelMixin, ListModelMixin
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from aiops.errors import Invalid, NotFound
from aiops.people import sessions, tokens
from aiops.people.models import ApiToken, BrowserSession, User
from aiops.people.shapes import NewTokenOut, SessionOut, TokenIn, TokenOut
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

    @extend_schema(request=TokenIn, responses={201: NewTokenOut}, tags=["tokens"])
    def create(self, request: Request) -> Response:
        """Create a token. Its text is in this response only, so an Idempotency-Key cannot repeat the response."""
        if creating.HEADER in request.headers:
            raise Invalid(
                "A token's text is shown once: send no Idempotency-Key here.", code="idempotency_not_possible"
            )
        fields = TokenIn.read(request.data)
        days = fields.pop("expires_in_days", None)
        expires_at = timezone.now() + timedelta(days=days) if days else None
        token, text = tokens.issue(cast(User, request.user), expires_at=expires_at, **fields)
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
