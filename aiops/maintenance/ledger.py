"""Runs maintenance jobs: each run takes the lock of its slot and leaves a row with its duration and counts."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models.functions import Now

from aiops import database, log, metrics
from aiops.apps import load
from aiops.maintenance.catalogue import find
from aiops.maintenance.models import JobRun
from aiops.settings import Settings

AHEAD = timedelta(seconds=5)
"""A row this far in the future shows that the clock was set back."""

logger = log.get(__name__)


def run_job(
    job: str, *, settings: Settings, every_s: float | None = None, request_id: str | None = None
) -> JobRun | None:
    """Run a job; None when there is no such job, or when its slot is taken.

    A second beat, or a request that is delivered twice, finds the slot taken.
    """
    known = find(job, settings)
    if known is None:
        logger.warning("job.unknown")
        return None
    entry = _take(job, slot=f"request:{request_id}" if request_id else _slot(every_s or 1))
    if entry is None:
        return None
    begun = time.perf_counter()
    try:
        entry.summary = _counts(load(known.run)(settings))
        entry.outcome = JobRun.Outcome.DONE
    except Exception as error:  # the row records it, and the worker continues with other jobs
        logger.exception("job.failed")
        entry.summary = {"error": f"{type(error).__name__}: {error}"[:500]}
        entry.outcome = JobRun.Outcome.FAILED
    entry.ms = round((time.perf_counter() - begun) * 1e3, 1)
    entry.save(update_fields=["summary", "outcome", "ms"])
    metrics.count(metrics.JOBS, job, entry.outcome)
    metrics.measure(metrics.JOB_SECONDS, job, seconds=entry.ms / 1e3)
    if any(entry.summary.values()):  # a run that found nothing to do is only a row
        logger.info("job.done", outcome=entry.outcome, ms=entry.ms, **{f"did_{k}": v for k, v in entry.summary.items()})
    return entry


def _counts(done: Any) -> dict[str, int | float]:
    """Return a job's counts; raises TypeError for anything else, because the row could not store it."""
    if not isinstance(done, dict) or not all(type(n) in (int, float, bool) for n in done.values()):
        raise TypeError("A job must return numbers by name.")
    return {str(name)[:100].replace("\0", ""): number for name, number in done.items()}


def _take(job: str, *, slot: str) -> JobRun | None:
    try:
        with transaction.atomic():  # a savepoint, so that a taken slot leaves an outer transaction usable
            return JobRun.objects.create(job=job, slot=slot)
    except IntegrityError:
        _free_future_slots(job)
        return None


def _free_future_slots(job: str) -> None:
    """Free slots that were taken before the clock was set back: the job would not run until they have passed."""
    freed, _ = JobRun.objects.filter(job=job, started_at__gt=Now() + AHEAD).delete()
    if freed:
        logger.warning("job.clock_was_set_back", job=job, rows=freed)


def _slot(every_s: float) -> str:
    """Return the current slot: the database's time in units of the interval."""
    return f"{every_s:g}s:{int(database.now_s() // every_s)}"
