"""The pages of maintenance, for staff: all jobs, and the runs of one job."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.conf import settings as django_settings
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import path
from django.utils import timezone
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_GET

from aiops.apps import STAFF
from aiops.maintenance.api import jobs_with_last_run
from aiops.maintenance.models import JobRun
from aiops.maintenance.shapes import JOBS
from aiops.retention import rules
from aiops.web.pages.live import render_live
from aiops.web.pages.rights import needs

SHOWN = 100
OVERDUE = 5
"""A job is overdue after this many intervals, and half a minute, without a run."""


@require_GET
@login_required
@needs(STAFF)
@ensure_csrf_cookie
def list_(request: HttpRequest) -> HttpResponse:
    """Show every job, and what retention would remove."""
    context = {
        "here": "upkeep",
        "jobs": [_with_times(job) for job in jobs_with_last_run()],
        "rules": rules.preview(django_settings.SETTINGS),
    }
    return render_live(request, "maintenance/upkeep.html", "maintenance/jobs.html", context)


@require_GET
@login_required
@needs(STAFF)
@ensure_csrf_cookie
def page(request: HttpRequest, name: str) -> HttpResponse:
    """Show the latest runs of one job."""
    if name not in JOBS:
        raise Http404
    job = next(_with_times(one) for one in jobs_with_last_run() if one["job"] == name)
    runs = JobRun.objects.filter(job=name).order_by("-pk")[:SHOWN]
    context = {"here": "upkeep", "job": job, "runs": runs}
    return render_live(request, "maintenance/upkeep_job.html", "maintenance/job_runs.html", context)


def _with_times(job: dict[str, Any]) -> dict[str, Any]:
    last, every_s = job["last"], job["every_s"]
    limit = timedelta(seconds=every_s * OVERDUE + 30)
    age = timezone.now() - last.started_at if last is not None else timedelta()
    return {**job, "overdue": age > limit}


urlpatterns = [
    path("upkeep/", list_, name="upkeep"),
    path("upkeep/<str:name>/", page, name="upkeep-job"),
]
