"""The pages of schedules: the user's schedules with a form for another, and one with its firings."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, cast
from uuid import UUID

from django.conf import settings as django_settings
from django.contrib.auth.decorators import login_required
from django.db.models import OuterRef, Subquery
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import path
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_GET

from aiops.people.models import User
from aiops.schedules import lifecycle, timing
from aiops.schedules.models import Firing, Schedule
from aiops.schedules.timing import Times
from aiops.tool_servers.catalogue import waiting
from aiops.web import markdown
from aiops.web.pages.listing import page_of
from aiops.web.pages.live import render_live
from aiops.webhooks import mailing

SHOWN = 50
PREVIEWED = 3
WEEKDAYS = [(1, "Mon"), (2, "Tue"), (3, "Wed"), (4, "Thu"), (5, "Fri"), (6, "Sat"), (0, "Sun")]
"""Numbers as cron writes them."""


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
    context = {"here": "schedules", "page": page_of(mine, request), "weekdays": WEEKDAYS, "may_mail": _may_mail()}
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
        "form": _form(schedule),
        "weekdays": WEEKDAYS,
        "may_mail": _may_mail(),
        "firings": firings,
        "times": lifecycle.upcoming(schedule),
        "items": len(schedule.batch["items"]) if schedule.batch is not None else 0,
        "unclassified": waiting.unclassified() if schedule.options.get("read_only", True) else "",
    }
    return render_live(request, "schedules/schedule.html", "schedules/firings.html", context)


@require_GET
@login_required
def preview(request: HttpRequest) -> HttpResponse:
    """Say in words when a cron expression is due, and show its next times; or say what is wrong with it."""
    cron, zone = request.GET.get("cron", "")[:100], request.GET.get("timezone", "")[:64]
    now = datetime.now(UTC)
    context: dict[str, Any] = {}
    try:
        times = Times(since=now, cron=cron, timezone=zone)
        context = {
            "words": timing.in_words(cron),
            "zone": timing.zone(zone),
            "times": times.some(now, count=PREVIEWED),
        }
    except timing.BadTime as bad:
        context = {"problem": str(bad)}
    return render(request, "schedules/preview.html", context)


def _may_mail() -> bool:
    return mailing.is_configured(django_settings.SETTINGS)


def _form(schedule: Schedule) -> dict[str, Any]:
    """Return what the page's script fills the form with."""
    return {
        "name": schedule.name,
        "message": schedule.message,
        "cron": schedule.cron,
        "every_s": schedule.every_s,
        "at": schedule.at.isoformat() if schedule.at else None,
        "timezone": schedule.timezone,
        "overlap": schedule.overlap,
        "catch_up": schedule.catch_up,
        "tools": "read" if schedule.options.get("read_only", True) else "all",
        "notify_by": schedule.notify_by,
        "notify_url": schedule.notify_url,
    }


urlpatterns = [
    path("schedules/preview/", preview, name="schedule-preview"),
    path("schedules/", list_, name="schedules"),
    path("schedules/<uuid:schedule_id>/", page, name="schedule"),
]
