"""The page of one's own credentials for tool servers: which are entered, a form for each, and never a value."""

from __future__ import annotations

from typing import cast
from uuid import UUID

from django.conf import settings as django_settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import path
from django.views.decorators.http import require_GET, require_POST

from aiops.errors import AiopsError
from aiops.people.models import User
from aiops.tool_servers.credentials import saving
from aiops.web.api import problems


@require_GET
@login_required
def page(request: HttpRequest) -> HttpResponse:
    """Show the servers that get each person's own credential."""
    return _show(request)


@require_POST
@login_required
def store(request: HttpRequest) -> HttpResponse:
    """Store the credential for one server, or replace it."""
    try:
        chosen = UUID(request.POST.get("server", ""))
    except ValueError:
        raise Http404 from None
    server = get_object_or_404(saving.servers(), pk=chosen)
    try:
        saving.store(cast(User, request.user), server, request.POST.get("secret", "")[: saving.MAX_CHARACTERS + 1])
    except AiopsError as error:
        return _show(request, chosen=chosen, problem=f"{server.name}: {problems.sentence(error)}", status=400)
    messages.success(request, f"Your credential for {server.name} is stored.")
    return redirect("tool-credentials")


@require_POST
@login_required
def remove(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Remove one of the person's credentials."""
    found = get_object_or_404(saving.own(cast(User, request.user)), pk=pk)
    saving.remove(found)
    messages.success(request, f"Your credential for {found.server.name} was removed.")
    return redirect("tool-credentials")


def _show(request: HttpRequest, *, chosen: UUID | None = None, problem: str = "", status: int = 200) -> HttpResponse:
    own = {one.server_id: one for one in saving.own(cast(User, request.user))}
    servers = [*saving.servers()]
    shown = [(server, own.pop(server.pk, None)) for server in servers]
    context = {
        "here": "profile",
        "servers": [(server, one, saving.problem(one) if one is not None else "") for server, one in shown],
        "unused": list(own.values()),
        "may_store": bool(django_settings.SETTINGS.encryption_key_ring()),
        "most": saving.MAX_CHARACTERS,
        "chosen": str(chosen or ""),
        "problem": problem,
    }
    return render(request, "tool_servers/credentials.html", context, status=status)


urlpatterns = [
    path("tool-credentials/", page, name="tool-credentials"),
    path("tool-credentials/store/", store, name="tool-credential-store"),
    path("tool-credentials/<uuid:pk>/remove/", remove, name="tool-credential-remove"),
]
