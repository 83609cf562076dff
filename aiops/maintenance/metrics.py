"""Metrics of maintenance jobs."""

from __future__ import annotations

import math
from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily, Metric

from aiops import database, metrics, settings
from aiops.maintenance.catalogue import names
from aiops.maintenance.models import JobRun
from aiops.settings import Settings


def known(settings: Settings) -> Iterator[metrics.Series]:
    """Yield the series of each job."""
    for job in names(settings):
        yield metrics.JOB_SECONDS, (job,)
        for outcome in (JobRun.Outcome.DONE, JobRun.Outcome.FAILED):
            yield metrics.JOBS, (job, outcome)


def families() -> Iterator[Metric]:
    """Yield the age of each job's last run, and whether it failed."""
    now = database.now()
    last = GaugeMetricFamily(
        "aiops_job_age_seconds", "Time since a maintenance job last started; +Inf before.", labels=["job"]
    )
    failing = GaugeMetricFamily("aiops_job_failing", "1 when a job's last run failed.", labels=["job"])
    ended = JobRun.objects.exclude(outcome=JobRun.Outcome.RUNNING).order_by("-started_at")
    for job in names(settings.current()):
        run = ended.filter(job=job).first()
        age_s = max((now - run.started_at).total_seconds(), 0) if run else math.inf
        last.add_metric([job], age_s)
        failing.add_metric([job], run is not None and run.outcome == JobRun.Outcome.FAILED)
    yield last
    yield failing
