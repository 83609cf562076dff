"""A user's own API tokens: list, make, revoke."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, cast

from django.db.models import QuerySet
from django.utils import timezone
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.mixins import DestroyModelMixin, ListModelMixin
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from aiops.errors import Invalid
from aiops.people import tokens
from aiops.people.models import ApiToken, User
from aiops.web.api import creating
from aiops.web.api.paging import ById
from aiops.web.api.shapes import NewTokenOut, TokenIn, TokenOut


@extend_schema_view(list=extend_schema(tags=["tokens"]), destroy=extend_schema(tags=["tokens"]))
class Tokens(ListModelMixin, DestroyModelMixin, GenericViewSet[ApiToken]):
    """``/api/tokens/``."""

    queryset = ApiToken.objects.none()
    serializer_class = TokenOut
    pagination_class = ById
    lookup_value_converter = "uuid"

    def get_queryset(self) -> QuerySet[ApiToken]:
        """Return the caller's tokens."""
        return ApiToken.objects.filter(user=self.request.user.pk)

    @extend_schema(request=TokenIn, responses={201: NewTokenOut}, tags=["tokens"])
    def create(self, request: Request) -> Response:
        """Make a token; its text is shown in this answer and never again, so the answer cannot be repeated by a key."""
        if creating.HEADER in request.headers:
            raise Invalid(
                "A token's text is shown once: send no Idempotency-Key here.", code="idempotency_not_possible"
            )
        shape = TokenIn(data=request.data)
        shape.is_valid(raise_exception=True)
        asked: dict[str, Any] = shape.validated_data
        days = asked.get("expires_in_days")
        expires = timezone.now() + timedelta(days=days) if days else None
        token, text = tokens.issue(
            cast(User, request.user), name=asked["name"], scope=asked["scope"], expires_at=expires
        )
        token.refresh_from_db()
        return Response({**TokenOut(token).data, "token": text}, status=201)
