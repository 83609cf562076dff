"""The upkeep queue: one task runs all maintenance jobs."""

from __future__ import annotations

from functools import partial

from celery import shared_task
from django.conf import settings as django_settings

from aiops import database, dispatch, log, metrics
from aiops.maintenance import catalogue, ledger
from workers import about, alive, canary, ending, naming, outbound, starting

__all__ = ["about", "alive", "canary", "ending", "naming", "run_jobs", "starting"]

logger = log.get(__name__)


@shared_task(name=dispatch.UPKEEP_TASK)
def run_jobs(*jobs: str, every_s: float | None = None, request_id: str | None = None) -> None:
    """Run these jobs, each once per time slot or request; outbound ones continue in threads after this returns."""
    for job in jobs:
        known = catalogue.find(job, django_settings.SETTINGS)
        run_job = partial(_run_job, job, every_s=every_s, request_id=request_id)
        if known is None or not known.outbound:
            run_job()
        elif not outbound.start(job, partial(_run_and_flush, run_job), requested=request_id is not None):
            logger.info("job.running", job=job, request=request_id)
    metrics.flush()


def _run_job(job: str, *, every_s: float | None, request_id: str | None) -> None:
    with log.bind(task=dispatch.UPKEEP_TASK, job=job):
        ledger.run_job(job, settings=django_settings.SETTINGS, every_s=every_s, request_id=request_id)


def _run_and_flush(run_job: partial[None]) -> None:
    """Run a job outside Celery's threads, whose connections Celery closes."""
    try:
        database.with_connection(run_job)
    finally:
        metrics.flush()
