"""The pages of tool servers, for those who may see them: all of them with the providers of models, and one's tools."""

from __future__ import annotations

import uuid
from typing import Any

from django.contrib.auth.decorators import login_required, user_passes_test
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_GET

from aiops.registry.models import MCPServer, ProviderHealth


def _may_see(user: Any) -> bool:
    if not user.has_perm("registry.view_mcpserver"):
        raise Http404
    return True


@require_GET
@login_required
@user_passes_test(_may_see)
@ensure_csrf_cookie
def list_(request: HttpRequest) -> HttpResponse:
    """Show every tool server and every provider, and how they are."""
    context = {"servers": MCPServer.objects.all(), "providers": ProviderHealth.objects.order_by("provider")}
    return render(request, "web/tool_servers.html", {"here": "tool-servers", **context})


@require_GET
@login_required
@user_passes_test(_may_see)
@ensure_csrf_cookie
def page(request: HttpRequest, server_id: uuid.UUID) -> HttpResponse:
    """Show one tool server and what it offers."""
    server = get_object_or_404(MCPServer, pk=server_id)
    return render(request, "web/tool_server.html", {"here": "tool-servers", "server": server})
