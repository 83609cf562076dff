"""The pages of upkeep, for staff: all jobs, and one job's past."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib.auth.decorators import login_required, user_passes_test
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_GET

from aiops.jobs.models import JobRun
from aiops.web.api import upkeep
from aiops.web.api.upkeep_shapes import JOBS

SHOWN = 100
OVERDUE = 5
"""So many intervals without a run, and half a minute, are worth a warning."""


def _is_staff(user: Any) -> bool:
    if not user.is_staff:
        raise Http404
    return True


@require_GET
@login_required
@user_passes_test(_is_staff)
@ensure_csrf_cookie
def list_(request: HttpRequest) -> HttpResponse:
    """Show every job and what retention would remove."""
    context = {"here": "upkeep", "jobs": [_shown(job) for job in upkeep.shown()], "rules": upkeep.preview()}
    return render(request, "web/upkeep.html", context)


@require_GET
@login_required
@user_passes_test(_is_staff)
@ensure_csrf_cookie
def page(request: HttpRequest, name: str) -> HttpResponse:
    """Show what one job did lately."""
    if name not in JOBS:
        raise Http404
    job = next(_shown(one) for one in upkeep.shown() if one["job"] == name)
    runs = JobRun.objects.filter(job=name).order_by("-pk")[:SHOWN]
    return render(request, "web/upkeep_job.html", {"here": "upkeep", "job": job, "runs": runs})


def _shown(job: dict[str, Any]) -> dict[str, Any]:
    last, every_s = job["last"], job["every_s"]
    patience = timedelta(seconds=every_s * OVERDUE + 30)
    age = timezone.now() - last.started_at if last is not None else timedelta()
    return {**job, "every": _span(every_s), "overdue": age > patience, "ago": _span(round(age.total_seconds()))}


def _span(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:g} s"
    return f"{seconds / 60:.3g} min" if seconds < 3_600 else f"{seconds / 3_600:.3g} h"
