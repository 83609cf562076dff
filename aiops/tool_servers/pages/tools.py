"""The pages of tools: all of them, and one with what was decided about it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.conf import settings as django_settings
from django.contrib.auth.decorators import login_required
from django.db.models import Case, IntegerField, Value, When
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import path
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_GET

from aiops.changes import recording
from aiops.llm import own_tools
from aiops.tool_servers.api.tools import ToolFilters
from aiops.tool_servers.catalogue import figures, saving
from aiops.tool_servers.models import MCPServer, Tool
from aiops.web.pages import difference
from aiops.web.pages.rights import needs

MOST = 1_000
"""Tools on the page; those that wait come first."""
SHOWN_CHANGES = 30
NONE = figures.Figures()
ORDER = Case(
    When(status=Tool.Status.PENDING, then=Value(0)),
    When(status=Tool.Status.ACCEPTED, then=Value(1)),
    default=Value(2),
    output_field=IntegerField(),
)


@require_GET
@login_required
@needs("tool_servers.view_tool")
@ensure_csrf_cookie
def list_(request: HttpRequest) -> HttpResponse:
    """Show the tools of all servers, those that wait for a person first."""
    filters = ToolFilters(request.GET, queryset=Tool.objects.select_related("server"))
    ordered = filters.qs.order_by(ORDER, "server__name", "name")
    known = figures.lately()
    tools = list(ordered[:MOST])
    for tool in tools:
        tool.lately = known.get((tool.server.name, tool.name), NONE)
    context: dict[str, Any] = {
        "here": "tools",
        "tools": tools,
        "filters": filters,
        "is_filtered": any(request.GET.values()),
        "waiting": Tool.objects.filter(status=Tool.Status.PENDING).count(),
        "unclassified": Tool.objects.filter(status=Tool.Status.ACCEPTED, tool_class=Tool.Class.UNKNOWN).count(),
        "servers": MCPServer.objects.values_list("name", flat=True),
        "statuses": Tool.Status.choices,
        "classes": Tool.Class.choices,
        "own_tools": own_tools.listed(),
    }
    return render(request, "tool_servers/tools.html", context)


@require_GET
@login_required
@needs("tool_servers.view_tool")
@ensure_csrf_cookie
def page(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Show one tool: how what is offered differs from what was accepted, a form, and its changes."""
    tool = get_object_or_404(Tool.objects.select_related("server"), pk=pk)
    lines = (saving.lines(tool.definition), saving.lines(tool.offered))
    has_changed = bool(tool.pin and tool.offered_pin and tool.offered_pin != tool.pin)
    lately = figures.lately(server=tool.server.name, name=tool.name)
    context: dict[str, Any] = {
        "here": "tools",
        "tool": tool,
        "lately": next(iter(lately.values()), NONE),
        "classes": Tool.Class.choices,
        "difference": difference.marked(saving.lines(tool.definition), saving.lines(tool.offered))
        if has_changed
        else [],
        "shown": "\n".join(lines[1] or lines[0]),
        "about": tool.offered or tool.definition,
        "reason_required": django_settings.SETTINGS.require_change_reason,
        "changes": recording.of(tool)[:SHOWN_CHANGES],
    }
    return render(request, "tool_servers/tool.html", context)


urlpatterns = [
    path("tools/", list_, name="tools"),
    path("tools/<uuid:pk>/", page, name="tool"),
]
