"""Webhooks: what was told to whom, sending it anew, and the key that signatures are checked with."""

from __future__ import annotations

from typing import Any, cast

import django_filters
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
from aiops.webhooks import delivering, signing
from aiops.webhooks.models import Delivery

SETTINGS = django_settings.SETTINGS


class DeliveryFilters(django_filters.FilterSet):
    """By state."""

    state = django_filters.ChoiceFilter(choices=Delivery.State.choices)


class DeliveryOut(serializers.ModelSerializer[Delivery]):
    """One delivery and what became of it."""

    run = serializers.UUIDField(source="run_id", read_only=True, allow_null=True)
    batch = serializers.UUIDField(source="batch_id", read_only=True, allow_null=True)

    class Meta:
        """The fields shown."""

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
    """Not with a read-only token: whoever has the key can sign."""

    def has_permission(self, request: Request, view: Any) -> bool:
        """Whether the caller may see keys."""
        return super().has_permission(request, view) and getattr(request.auth, "scope", "full") == "full"


@extend_schema_view(list=extend_schema(tags=["webhooks"]), retrieve=extend_schema(tags=["webhooks"]))
class Webhooks(ListModelMixin, RetrieveModelMixin, GenericViewSet[Delivery]):
    """``/api/webhooks/``: deliveries, the newest first."""

    queryset = Delivery.objects.none()
    serializer_class = DeliveryOut
    pagination_class = ById
    filter_backends = [StrictFilters]
    filterset_class = DeliveryFilters
    lookup_value_converter = "uuid"

    def get_queryset(self) -> QuerySet[Any]:
        """Return the caller's deliveries."""
        return Delivery.objects.filter(user=self.request.user.pk)

    @extend_schema(request=None, responses={202: DeliveryOut}, tags=["webhooks"])
    @action(detail=True, methods=["post"])
    def redeliver(self, request: Request, pk: Any) -> Response:
        """Send it anew, under the same id; 409 while it is still being tried."""
        no_fields(request.data)
        delivery = self.get_object()
        delivering.again(delivery)
        delivery.refresh_from_db()
        return Response(DeliveryOut(delivery).data, status=202)


class WebhookKey(APIView):
    """``/api/webhooks/key/``."""

    permission_classes = [MayHoldKeys]

    @extend_schema(responses=KeyOut, tags=["webhooks"])
    def get(self, request: Request) -> Response:
        """Return your key: Standard Webhooks libraries take it as it is."""
        return Response({"key": signing.key_of(cast(User, request.user).pk, SETTINGS)})

    @extend_schema(request=None, responses=KeyOut, tags=["webhooks"])
    def post(self, request: Request) -> Response:
        """Take another key from now on."""
        no_fields(request.data)
        signing.renew(cast(User, request.user))
        return self.get(request)
