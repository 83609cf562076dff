"""The API of model providers' reachability."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.generics import ListAPIView
from rest_framework.request import Request

from aiops.llm.models import ProviderHealth
from aiops.web.api.authentication import MayWrite


class MaySee(MayWrite):
    message = "You need the permission to see tool servers."

    def has_permission(self, request: Request, view: Any) -> bool:
        return super().has_permission(request, view) and request.user.has_perm("tool_servers.view_mcpserver")


class ProviderOut(serializers.ModelSerializer[ProviderHealth]):
    """A model provider, and whether it could be reached."""

    class Meta:
        model = ProviderHealth
        fields = ["provider", "reachable", "detail", "checked_at", "since"]


@extend_schema_view(get=extend_schema(tags=["mcp-servers"]))
class Providers(ListAPIView[ProviderHealth]):
    """``GET /api/providers/health/``: whether each configured model provider could be reached at the last check."""

    queryset = ProviderHealth.objects.order_by("provider")
    permission_classes = [MaySee]
    serializer_class = ProviderOut
    pagination_class = None
