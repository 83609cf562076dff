"""Tool servers: list, make, change, delete, look at now, and have their tools listed anew; by permission."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import django_filters
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema, extend_schema_view
from rest_framework.decorators import action
from rest_framework.generics import ListAPIView
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from aiops.errors import Forbidden, Invalid
from aiops.people.models import User
from aiops.registry import lifecycle
from aiops.registry.models import MCPServer, ProviderHealth
from aiops.web.api import creating
from aiops.web.api.authentication import MayWrite
from aiops.web.api.filtering import StrictFilters
from aiops.web.api.paging import ByName
from aiops.web.api.parsing import no_fields
from aiops.web.api.tool_server_shapes import Asked, ProviderOut, ToolServerChange, ToolServerIn, ToolServerOut

COMMANDS = "registry.run_commands"
NEEDED = {"GET": "view", "HEAD": "view", "OPTIONS": "view", "POST": "add", "PATCH": "change", "DELETE": "delete"}


class MayManage(MayWrite):
    """Whoever has Django's permission for it: view, add, change or delete tool servers."""

    message = "You need the permission to see or change tool servers."

    def has_permission(self, request: Request, view: Any) -> bool:
        """Whether the caller has the permission that this method needs."""
        needed = "change" if getattr(view, "action", "") in ("check", "refresh") else NEEDED.get(request.method or "")
        return super().has_permission(request, view) and request.user.has_perm(f"registry.{needed}_mcpserver")


class ToolServerFilters(django_filters.FilterSet):
    """By what it is and how it is."""

    status = django_filters.ChoiceFilter(choices=MCPServer.Status.choices)
    protocol = django_filters.ChoiceFilter(choices=MCPServer.Protocol.choices)
    place = django_filters.ChoiceFilter(choices=MCPServer.Place.choices)
    search = django_filters.CharFilter(field_name="name", lookup_expr="icontains", max_length=200)


@extend_schema_view(
    list=extend_schema(parameters=[OpenApiParameter("search", str)], tags=["mcp-servers"]),
    retrieve=extend_schema(tags=["mcp-servers"]),
)
class ToolServers(ListModelMixin, RetrieveModelMixin, GenericViewSet[MCPServer]):
    """``/api/mcp-servers/``, by name."""

    queryset = MCPServer.objects.all()
    permission_classes = [MayManage]
    serializer_class = ToolServerOut
    pagination_class = ByName
    filter_backends = [StrictFilters]
    filterset_class = ToolServerFilters
    lookup_value_converter = "uuid"

    @extend_schema(
        request=ToolServerIn,
        responses={201: ToolServerOut},
        parameters=[creating.PARAMETER],
        examples=[
            OpenApiExample(
                "over HTTP, with a token that workers have in AIOPS_SECRET_NETBOX",
                {
                    "name": "netbox",
                    "url": "https://netbox.example.org",
                    "endpoint": "/mcp",
                    "headers": {"Authorization": "env:AIOPS_SECRET_NETBOX"},
                },
                request_only=True,
            )
        ],
        tags=["mcp-servers"],
    )
    def create(self, request: Request) -> Response:
        """Make a tool server; it serves when its first looks found it well, or at once with status healthy."""
        shape = ToolServerIn(data=request.data)
        shape.is_valid(raise_exception=True)

        def act(user: User) -> tuple[int, Any]:
            return 201, ToolServerOut(_put(MCPServer(**shape.validated_data), user, changed=shape.validated_data)).data

        return creating.create(request, act)

    @extend_schema(request=ToolServerChange, responses=ToolServerOut, tags=["mcp-servers"])
    def partial_update(self, request: Request, pk: Any) -> Response:
        """Change it; workers know within a second."""
        server = self.get_object()
        shape = ToolServerChange(data=request.data)
        shape.is_valid(raise_exception=True)
        _may_run_commands(server, request.user)
        for field, value in shape.validated_data.items():
            setattr(server, field, value)
        return Response(ToolServerOut(_put(server, request.user, changed=shape.validated_data)).data)

    @extend_schema(responses={204: None}, tags=["mcp-servers"])
    def destroy(self, request: Request, pk: Any) -> Response:
        """Delete it; workers close its sessions."""
        server = self.get_object()
        _may_run_commands(server, request.user)
        lifecycle.remove(server)
        return Response(status=204)

    @extend_schema(request=None, responses={202: Asked}, tags=["mcp-servers"])
    @action(detail=False, methods=["post"])
    def check(self, request: Request) -> Response:
        """Have all servers looked at now, save those in maintenance and vulnerable ones."""
        no_fields(request.data)
        lifecycle.look_now()
        return Response({"asked": "check"}, status=202)

    @extend_schema(request=None, responses={202: Asked}, tags=["mcp-servers"])
    @action(detail=False, methods=["post"])
    def refresh(self, request: Request) -> Response:
        """Have every worker list the tools anew; otherwise they do so every five minutes."""
        no_fields(request.data)
        lifecycle.announce()
        return Response({"asked": "refresh"}, status=202)


@extend_schema_view(get=extend_schema(tags=["mcp-servers"]))
class Providers(ListAPIView[ProviderHealth]):
    """``GET /api/providers/health/``: whether each configured model provider could be reached, as of the last look."""

    queryset = ProviderHealth.objects.order_by("provider")
    permission_classes = [MayManage]
    serializer_class = ProviderOut
    pagination_class = None


def _put(server: MCPServer, user: Any, *, changed: Iterable[str]) -> MCPServer:
    """Save a server; raises Invalid with what it cannot be, or Forbidden."""
    _may_run_commands(server, user)
    try:
        server.full_clean()
        with transaction.atomic():
            lifecycle.put(server, changed=changed)
    except ValidationError as error:
        reasons = {name.replace("__all__", "name"): list(map(str, why)) for name, why in error.message_dict.items()}
        raise Invalid(f"Correct {', '.join(reasons)}.", errors=reasons) from error
    except IntegrityError as error:
        raise Invalid("Correct name.", errors={"name": ["There is a tool server of this name."]}) from error
    return server


def _may_run_commands(server: MCPServer, user: Any) -> None:
    if server.protocol == MCPServer.Protocol.STDIO and not user.has_perm(COMMANDS):
        raise Forbidden(
            "A tool server that runs a command needs the permission run_commands.", code="commands_not_allowed"
        )
