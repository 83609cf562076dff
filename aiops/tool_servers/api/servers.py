"""The API of tool servers: list, create, change, delete, check their health, refresh their tools; by permission."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterable
from copy import copy
from dataclasses import asdict
from typing import Any, cast

import django_filters
from django.conf import settings as django_settings
from django.db import IntegrityError, transaction
from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response

from aiops.errors import Forbidden, Invalid
from aiops.people.models import User
from aiops.rows import check
from aiops.tool_servers import lifecycle, rights, uploads
from aiops.tool_servers.importing import run
from aiops.tool_servers.models import RUN_COMMANDS, MCPServer
from aiops.tool_servers.rules import refers
from aiops.tool_servers.shapes import (
    Asked,
    ImportOut,
    ImportUpload,
    ServerTrialOut,
    ToolServerChange,
    ToolServerIn,
    ToolServerOut,
)
from aiops.trials.asking import ask
from aiops.web.api import creating
from aiops.web.api.parsing import no_fields
from aiops.web.api.row_shapes import WHY, described
from aiops.web.api.rows import Rows, TagFilter

SETTINGS = django_settings.SETTINGS
TAG = "mcp-servers"
ACCEPT = "tool_servers.change_tool"
NOT_SHARED = "Name the secret in headers or env: secret:NAME, or ${secret:NAME} inside a text."


class ToolServerFilters(django_filters.FilterSet):
    status = django_filters.ChoiceFilter(choices=MCPServer.Status.choices)
    protocol = django_filters.ChoiceFilter(choices=MCPServer.Protocol.choices)
    credential = django_filters.ChoiceFilter(choices=MCPServer.Credential.choices)
    place = django_filters.ChoiceFilter(choices=MCPServer.Place.choices)
    tag = TagFilter()
    search = django_filters.CharFilter(field_name="name", lookup_expr="icontains", max_length=200)


@described(
    TAG,
    new=ToolServerIn,
    change=ToolServerChange,
    row=ToolServerOut,
    example=(
        "over HTTP, with a token that workers have in AIOPS_SECRET_NETBOX",
        {
            "name": "netbox",
            "url": "https://netbox.example.org",
            "endpoint": "/mcp",
            "headers": {"Authorization": "env:AIOPS_SECRET_NETBOX"},
        },
    ),
)
class ToolServers(Rows):
    """``/api/mcp-servers/``. A new one is used once three health checks succeed, or at once with status healthy."""

    table = MCPServer
    queryset = MCPServer.objects.all()
    rights = {**Rows.rights, "check": "change", "refresh": "change"}
    serializer_class = ToolServerOut
    filterset_class = ToolServerFilters
    shape, change = ToolServerIn, ToolServerChange
    defaults = {
        "protocol": MCPServer.Protocol.HTTP,
        "url": "",
        "endpoint": "",
        "health_path": "",
        "headers": {},
        "command": "",
        "args": [],
        "env": {},
        "cwd": "",
        "credential": MCPServer.Credential.NONE,
        "credential_header": "",
        "place": MCPServer.Place.INTERNAL,
        "required": False,
        "handshake_s": 15,
        "call_s": None,
        "accept_tools": False,
        "tags": [],
    }

    def save_row(self, row: MCPServer, fields: dict[str, Any], user: User) -> MCPServer:
        before = None if row._state.adding else copy(row)
        if before is not None:
            _check_may_change(before, user)  # as it was: the new fields are checked before they are saved
        changed = {name for name, value in fields.items() if before is None or getattr(before, name) != value}
        for name, value in fields.items():
            setattr(row, name, value)
        return _put(row, user, changed=changed, before=before)

    def remove_row(self, row: MCPServer, user: User) -> None:
        _check_may_change(row, user)
        lifecycle.remove(row)

    @extend_schema(
        request={"multipart/form-data": ImportUpload},
        responses=ImportOut,
        parameters=[creating.PARAMETER, WHY],
        tags=[TAG],
    )
    @action(detail=False, methods=["post"], url_path="import", parser_classes=[MultiPartParser])
    def import_file(self, request: Request) -> Response:
        """Create the servers of another MCP client's configuration; secrets become references, and are dropped."""
        data, dry_run = uploads.read(request)

        def act(user: User) -> tuple[int, Any]:
            plan = run.run(data, SETTINGS, may_run_commands=user.has_perm(RUN_COMMANDS), dry_run=dry_run)
            servers = [asdict(one) for one in plan.outcomes]
            return 200, ImportOut({"servers": servers, "variables": list(plan.sources), "sources": plan.sources}).data

        with contextlib.nullcontext() if dry_run else self._by(request):
            return creating.create(request, act, sent={"file": hashlib.sha256(data).hexdigest(), "dry_run": dry_run})

    @extend_schema(request=ToolServerIn, responses=ServerTrialOut, tags=[TAG])
    @action(detail=False, methods=["post"])
    def test(self, request: Request) -> Response:
        """Connect to a server as described and list its tools; nothing is saved."""
        fields = ToolServerIn.read(request.data)
        fields.pop("status", None)
        server = MCPServer(**fields)
        _check_may_change(server, request.user)
        _check_secrets(server, request.user, changed=fields)
        _check_shared(server, changed=fields)
        check(server, validate_unique=False)
        return Response(ask(cast(User, request.user), "tool_server", fields))

    @extend_schema(request=None, responses={202: Asked}, tags=[TAG])
    @action(detail=False, methods=["post"])
    def check(self, request: Request) -> Response:
        """Check the health of all servers now, except those in maintenance and vulnerable ones."""
        no_fields(request.data)
        lifecycle.check_now()
        return Response({"asked": "check"}, status=202)

    @extend_schema(request=None, responses={202: Asked}, tags=[TAG])
    @action(detail=False, methods=["post"])
    def refresh(self, request: Request) -> Response:
        """Refresh the list of tools in every worker now, and prompts and resources by a health check.

        Workers also refresh every five minutes, and health checks are made every minute.
        """
        no_fields(request.data)
        lifecycle.refresh()
        return Response({"asked": "refresh"}, status=202)


def _put(server: MCPServer, user: Any, *, changed: Iterable[str], before: MCPServer | None = None) -> MCPServer:
    """Save a server; raises Invalid or Forbidden."""
    _check_may_change(server, user)
    if server.accept_tools and "accept_tools" in changed and not user.has_perm(ACCEPT):
        raise Forbidden(f"Accepting its tools needs the permission {ACCEPT}.", code="acceptance_not_allowed")
    _check_shared(server, changed=changed)
    check(server)
    _check_secrets(server, user, changed=changed, before=before)
    try:
        with transaction.atomic():
            lifecycle.put(server, changed=changed)
    except IntegrityError as error:
        raise Invalid("Correct name.", errors={"name": ["There is already a tool server of this name."]}) from error
    return server


def _check_secrets(server: MCPServer, user: Any, *, changed: Iterable[str], before: MCPServer | None = None) -> None:
    """Raise Forbidden if the user may not use the secrets that are referred to, Invalid if there are none."""
    rights.refuse_secrets(server, user, changed=changed, before=before)
    if missing := rights.unknown_secrets(server):
        field = "env" if server.protocol == MCPServer.Protocol.STDIO else "headers"
        reason = f"There is no secret {missing[0]!r}: create it, or correct the name."
        raise Invalid(f"Correct {field}.", errors={field: [reason]})


def _check_shared(server: MCPServer, *, changed: Iterable[str]) -> None:
    """Raise Invalid if a shared secret is wanted that nothing names."""
    wanted = server.credential == MCPServer.Credential.SHARED and "credential" in changed
    if wanted and isinstance(server.headers, dict) and isinstance(server.env, dict) and not refers(server):
        raise Invalid("Correct credential.", errors={"credential": [NOT_SHARED]})


def _check_may_change(server: MCPServer, user: Any) -> None:
    if not server.may_be_changed_by(user):
        raise Forbidden(
            "A tool server that runs a command needs the permission run_commands.", code="commands_not_allowed"
        )
