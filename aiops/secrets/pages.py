"""The page of secrets."""

from __future__ import annotations

from django.conf import settings as django_settings
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_GET

from aiops.secrets.models import Secret
from aiops.web.pages.listing import page_of
from aiops.web.pages.rights import needs


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


urlpatterns = [path("secrets/", list_, name="secrets")]
