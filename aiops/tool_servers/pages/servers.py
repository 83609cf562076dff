"""The pages of tool servers: the list, with model providers, and one server with its tools."""

from __future__ import annotations

import uuid
from typing import Any, cast

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import path
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_GET

from aiops.changes import recording
from aiops.llm.models import ProviderHealth
from aiops.people.models import User
from aiops.tool_servers import uptime
from aiops.tool_servers.credentials import saving
from aiops.tool_servers.models import MCPServer
from aiops.web.pages.live import render_live
from aiops.web.pages.rights import needs

SHOWN_CHANGES = 20


@require_GET
@login_required
@needs("tool_servers.view_mcpserver")
@ensure_csrf_cookie
def list_(request: HttpRequest) -> HttpResponse:
    """Show every tool server and model provider with its health."""
    servers: list[Any] = list(MCPServer.objects.defer("prompts", "resources"))
    strips = uptime.strips([server.pk for server in servers])
    for server in servers:
        server.strip = strips[server.pk]
    context: dict[str, Any] = {
        "servers": servers,
        "providers": ProviderHealth.objects.order_by("provider"),
    }
    context |= {"here": "tool-servers"}
    return render_live(request, "tool_servers/tool_servers.html", "tool_servers/rows.html", context)


@require_GET
@login_required
@needs("tool_servers.view_mcpserver")
@ensure_csrf_cookie
def page(request: HttpRequest, server_id: uuid.UUID) -> HttpResponse:
    """Show one tool server and its tools."""
    server = get_object_or_404(MCPServer, pk=server_id)
    tools = server.catalogue.select_related("server").order_by("name")
    own = saving.own(cast(User, request.user)).filter(server=server).first()
    context = {
        "here": "tool-servers",
        "server": server,
        "own": own,
        "own_problem": saving.problem(own) if own is not None else "",
        "people": server.credentials.count(),
        "tools": tools,
        "changes": recording.of(server)[:SHOWN_CHANGES],
    }
    return render(request, "tool_servers/tool_server.html", context)


@require_GET
@login_required
@needs("tool_servers.add_mcpserver")
@ensure_csrf_cookie
def new(request: HttpRequest) -> HttpResponse:
    """Show the form of a new tool server."""
    return render(request, "tool_servers/new.html", {"here": "tool-servers"})


urlpatterns = [
    path("tool-servers/new/", new, name="new-tool-server"),
    path("tool-servers/", list_, name="tool-servers"),
    path("tool-servers/<uuid:server_id>/", page, name="tool-server"),
]
