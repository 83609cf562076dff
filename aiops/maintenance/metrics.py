"""Metrics of maintenance jobs."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily, Metric

from aiops import database, settings
from aiops.maintenance.catalogue import names
from aiops.maintenance.models import JobRun


def families() -> Iterator[Metric]:
    """Yield the age of each job's last run, and whether it failed."""
    now = database.now()
    last = GaugeMetricFamily("aiops_job_age_seconds", "Time since a maintenance job last started.", labels=["job"])
    failing = GaugeMetricFamily("aiops_job_failing", "1 when a job's last run failed.", labels=["job"])
    ended = JobRun.objects.exclude(outcome=JobRun.Outcome.RUNNING).order_by("-started_at")
    for job in names(settings.current()):
        if run := ended.filter(job=job).first():
            last.add_metric([job], max((now - run.started_at).total_seconds(), 0))
            failing.add_metric([job], run.outcome == JobRun.Outcome.FAILED)
    yield last
    yield failing
