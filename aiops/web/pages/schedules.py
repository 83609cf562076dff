"""The pages of schedules: all of one's own with the form for another, and one with its times."""

from __future__ import annotations

from typing import Any, cast
from uuid import UUID
from zoneinfo import ZoneInfo

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_GET

from aiops.people.models import User
from aiops.schedules import lifecycle
from aiops.schedules.models import Firing, Schedule

SHOWN = 50


@require_GET
@login_required
@ensure_csrf_cookie
def list_(request: HttpRequest) -> HttpResponse:
    """Show one's schedules."""
    mine = Schedule.objects.filter(user=cast(User, request.user)).order_by("-pk")
    context = {"here": "schedules", "schedules": [_shown(schedule) for schedule in mine]}
    return render(request, "web/schedules.html", context)


@require_GET
@login_required
@ensure_csrf_cookie
def page(request: HttpRequest, schedule_id: UUID) -> HttpResponse:
    """Show one schedule: its next times and those it has had."""
    schedule = get_object_or_404(Schedule, pk=schedule_id, user=cast(User, request.user))
    firings = Firing.objects.filter(schedule=schedule).select_related("run").order_by("-pk")[:SHOWN]
    zone = ZoneInfo(schedule.timezone)
    context = {
        "here": "schedules",
        "schedule": _shown(schedule),
        "firings": [_local(firing, zone) for firing in firings],
        "times": [time.astimezone(zone) for time in lifecycle.upcoming(schedule)],
        "items": len(schedule.batch["items"]) if schedule.batch is not None else 0,
    }
    return render(request, "web/schedule.html", context)


def _shown(schedule: Schedule) -> Any:
    shown: Any = schedule
    shown.when = _when(schedule)
    shown.due = schedule.due_at.astimezone(ZoneInfo(schedule.timezone)) if schedule.due_at else None
    return shown


def _local(firing: Firing, zone: ZoneInfo) -> Any:
    shown: Any = firing
    shown.local = firing.due_at.astimezone(zone)
    return shown


def _when(schedule: Schedule) -> str:
    """Return its times in words."""
    if schedule.kind == Schedule.Kind.ONCE and schedule.at is not None:
        return "once"
    if schedule.every_s is not None:
        for seconds, name in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
            count, rest = divmod(schedule.every_s, seconds)
            if count and not rest:
                return f"every {name}" if count == 1 else f"every {count} {name}s"
        return f"every {schedule.every_s} s"
    return f"{schedule.cron} ({schedule.timezone})"
