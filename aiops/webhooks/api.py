"""REST views of webhooks: list deliveries, send one again, and get or replace the signing key."""

from __future__ import annotations

from typing import Any, cast

from django.conf import settings as django_settings
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework.viewsets import GenericViewSet

from aiops.people.models import User
from aiops.web.api.authentication import MayWrite
from aiops.web.api.filtering import StrictFilters
from aiops.web.api.paging import ById
from aiops.web.api.parsing import no_fields
from aiops.webhooks import claims, signing
from aiops.webhooks.models import Delivery

SETTINGS = django_settings.SETTINGS


class DeliveryOut(serializers.ModelSerializer[Delivery]):
    """One delivery: its address, its attempts so far, and its outcome."""

    run = serializers.UUIDField(source="run_id", read_only=True, allow_null=True)
    batch = serializers.UUIDField(source="batch_id", read_only=True, allow_null=True)

    class Meta:
        model = Delivery
        fields = [
            "id",
            "url",
            "event",
            "run",
            "batch",
            "state",
            "attempts",
            "status",
            "error",
            "created_at",
            "next_at",
            "delivered_at",
        ]


class KeyOut(serializers.Serializer[Any]):
    """The key that your receivers check signatures with."""

    key = serializers.CharField()


class MayHoldKeys(MayWrite):
    """Refuse read-only tokens: the key allows signing in the user's name."""

    def has_permission(self, request: Request, view: Any) -> bool:
        return super().has_permission(request, view) and getattr(request.auth, "scope", "full") == "full"


@extend_schema_view(list=extend_schema(tags=["webhooks"]), retrieve=extend_schema(tags=["webhooks"]))
class Webhooks(ListModelMixin, RetrieveModelMixin, GenericViewSet[Delivery]):
    """``/api/webhooks/``: deliveries, the newest first."""

    queryset = Delivery.objects.none()
    serializer_class = DeliveryOut
    pagination_class = ById
    filter_backends = [StrictFilters]
    filterset_fields = ["state"]
    lookup_value_converter = "uuid"

    def get_queryset(self) -> QuerySet[Any]:
        return Delivery.objects.filter(user=self.request.user.pk).defer("payload")

    @extend_schema(request=None, responses={202: DeliveryOut}, tags=["webhooks"])
    @action(detail=True, methods=["post"])
    def redeliver(self, request: Request, pk: Any) -> Response:
        """Send it again under the same id; 409 while it is pending."""
        no_fields(request.data)
        delivery = self.get_object()
        claims.requeue(delivery)
        delivery.refresh_from_db()
        return Response(DeliveryOut(delivery).data, status=202)


class WebhookKey(APIView):
    """``/api/webhooks/key/``."""

    permission_classes = [MayHoldKeys]

    @extend_schema(responses=KeyOut, tags=["webhooks"])
    def get(self, request: Request) -> Response:
        """Return your signing key in the form that Standard Webhooks libraries expect."""
        return Response({"key": signing.key_of(cast(User, request.user).pk, SETTINGS)})

    @extend_schema(request=None, responses=KeyOut, tags=["webhooks"])
    def post(self, request: Request) -> Response:
        """Replace the key. Deliveries are signed with the new one at once."""
        no_fields(request.data)
        signing.renew(cast(User, request.user))
        return self.get(request)
