"""The upkeep queue: one task for all jobs."""

from __future__ import annotations

from celery import shared_task
from django.conf import settings as django_settings

from aiops import dispatch, log, metrics
from aiops.upkeep import ledger
from workers import canary

__all__ = ["canary", "keep_up"]


@shared_task(name=dispatch.UPKEEP_TASK)
def keep_up(*jobs: str, every_s: float | None = None, request_id: str | None = None) -> None:
    """Do these jobs, each once for each slot of the clock or each request."""
    for job in jobs:
        with log.bind(task=dispatch.UPKEEP_TASK, job=job):
            ledger.work(job, settings=django_settings.SETTINGS, every_s=every_s, request_id=request_id)
    metrics.flush()
