"""The pages of secrets: the list, and one secret with what refers to it and its changes."""

from __future__ import annotations

import uuid

from django.conf import settings as django_settings
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import path
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_GET

from aiops.changes import recording
from aiops.secrets import saving
from aiops.secrets.models import Secret
from aiops.web.pages.listing import page_of
from aiops.web.pages.rights import needs

SHOWN_CHANGES = 20


@require_GET
@login_required
@needs("secrets.view_secret")
@ensure_csrf_cookie
def list_(request: HttpRequest) -> HttpResponse:
    """Show where each secret is, and a form for a new one."""
    context = {
        "here": "secrets",
        "page": page_of(Secret.objects.all(), request),
        "kinds": Secret.Kind.choices,
        "may_store": bool(django_settings.SETTINGS.encryption_key_ring()),
    }
    return render(request, "secrets/secrets.html", context)


@require_GET
@login_required
@needs("secrets.view_secret")
def secret(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Show where one secret is, what refers to it, and what was changed."""
    found = get_object_or_404(Secret, pk=pk)
    context = {
        "here": "secrets",
        "secret": found,
        "users": saving.users(found.name),
        "changes": recording.of(found)[:SHOWN_CHANGES],
    }
    return render(request, "secrets/secret.html", context)


urlpatterns = [
    path("secrets/", list_, name="secrets"),
    path("secrets/<uuid:pk>/", secret, name="secret"),
]
