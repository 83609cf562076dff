"""The pages of schedules: the user's schedules with a form for another, and one with its firings."""

from __future__ import annotations

from typing import cast
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.db.models import OuterRef, Subquery
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import path
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_GET

from aiops.people.models import User
from aiops.schedules import lifecycle
from aiops.schedules.models import Firing, Schedule
from aiops.web import markdown
from aiops.web.pages.listing import page_of
from aiops.web.pages.live import render_live

SHOWN = 50


@require_GET
@login_required
@ensure_csrf_cookie
def list_(request: HttpRequest) -> HttpResponse:
    """Show the user's schedules."""
    newest = Firing.objects.filter(schedule=OuterRef("pk")).order_by("-pk")
    mine = (
        Schedule.objects.filter(user=cast(User, request.user))
        .defer("batch")
        .annotate(
            last_outcome=Subquery(newest.values("outcome")[:1]),
            last_notices=Subquery(newest.values("run__notices")[:1]),
        )
    )
    context = {"here": "schedules", "page": page_of(mine, request)}
    return render_live(request, "schedules/schedules.html", "schedules/rows.html", context)


@require_GET
@login_required
@ensure_csrf_cookie
def page(request: HttpRequest, schedule_id: UUID) -> HttpResponse:
    """Show one schedule, its next times and its latest firings."""
    schedule = get_object_or_404(Schedule, pk=schedule_id, user=cast(User, request.user))
    firings = list(Firing.objects.filter(schedule=schedule).select_related("run").order_by("-pk")[:SHOWN])
    rendered = markdown.Page()
    for firing in firings:
        firing.html = rendered.beginning(firing.run.answer) if firing.run else ""  # type: ignore[attr-defined]
    context = {
        "here": "schedules",
        "schedule": schedule,
        "firings": firings,
        "times": lifecycle.upcoming(schedule),
        "items": len(schedule.batch["items"]) if schedule.batch is not None else 0,
    }
    return render_live(request, "schedules/schedule.html", "schedules/firings.html", context)


urlpatterns = [
    path("schedules/", list_, name="schedules"),
    path("schedules/<uuid:schedule_id>/", page, name="schedule"),
]
