"""The page of saved prompts."""

from __future__ import annotations

from typing import cast

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_GET

from aiops.people.models import User
from aiops.saved_prompts.models import visible_to
from aiops.web.pages.listing import page_of


@require_GET
@login_required
@ensure_csrf_cookie
def list_(request: HttpRequest) -> HttpResponse:
    """Show one's own prompts and shared ones, newest first, and a form for a new one."""
    prompts = visible_to(cast(User, request.user)).select_related("user")
    return render(
        request, "saved_prompts/saved_prompts.html", {"here": "saved-prompts", "page": page_of(prompts, request)}
    )


urlpatterns = [path("saved-prompts/", list_, name="saved-prompts")]
