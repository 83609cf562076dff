"""The page of the status: every part for staff, a summary for others; and the line about it above the chat."""

from __future__ import annotations

from typing import cast

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path
from django.views.decorators.http import require_GET

from aiops.people.models import User
from aiops.status import examination
from aiops.web.pages.live import render_live

SERIOUS = ("database", "redis", "broker", "model", "workers of runs")
"""Parts without which no message is answered."""


@require_GET
@login_required
def page(request: HttpRequest) -> HttpResponse:
    """Show the status; only its parts when the page refreshes itself."""
    state = examination.shown_to(cast(User, request.user))
    context = {"here": "status", "status": state, "is_staff": cast(User, request.user).is_staff}
    return render_live(request, "status/status.html", "status/parts.html", context)


@require_GET
@login_required
def line(request: HttpRequest) -> HttpResponse:
    """Show in one line what is missing for answers, or nothing."""
    missing = [part for part in examination.examine()["missing"] if _matters(part)]
    context = {"missing": missing, "is_serious": any(part in SERIOUS for part in missing)}
    return render(request, "status/line.html", context)


def _matters(part: str) -> bool:
    """Return whether somebody who asks a question should know."""
    return part in SERIOUS or part.startswith("tool server ") or part == "disk space"


urlpatterns = [
    path("status/", page, name="status"),
    path("status/line/", line, name="status-line"),
]
