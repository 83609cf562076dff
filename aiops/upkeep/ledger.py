"""Runs upkeep jobs: takes the slot's lock, does the job, and leaves a row saying when, how long and what it did."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models.functions import Now

from aiops import database, log, metrics
from aiops.jobs.catalogue import find
from aiops.jobs.models import JobRun
from aiops.settings import Settings

AHEAD = timedelta(seconds=5)
"""No row can be this far in the future while clocks run evenly."""

logger = log.get(__name__)


def work(job: str, *, settings: Settings, every_s: float | None = None, request_id: str | None = None) -> JobRun | None:
    """Do a job; None when there is no such job, or when its slot is taken already.

    By a second beat that is, or by the same request delivered twice.
    """
    known = find(job, settings)
    if known is None:
        logger.warning("upkeep.unknown_job")
        return None
    entry = _take(job, slot=f"request:{request_id}" if request_id else _slot(every_s or 1))
    if entry is None:
        return None
    begun = time.perf_counter()
    try:
        entry.summary = _counts(known.load()(settings))
        entry.outcome = JobRun.Outcome.DONE
    except Exception as error:  # the ledger is where a job's failure is kept; the worker goes on with the others
        logger.exception("upkeep.failed")
        entry.summary = {"error": f"{type(error).__name__}: {error}"[:500]}
        entry.outcome = JobRun.Outcome.FAILED
    entry.ms = round((time.perf_counter() - begun) * 1e3, 1)
    entry.save(update_fields=["summary", "outcome", "ms"])
    metrics.count(metrics.JOBS, job, entry.outcome)
    metrics.measure(metrics.JOB_SECONDS, job, seconds=entry.ms / 1e3)
    if any(entry.summary.values()):
        logger.info(
            "upkeep.done", outcome=entry.outcome, ms=entry.ms, **{f"did_{k}": v for k, v in entry.summary.items()}
        )
    return entry


def _counts(done: Any) -> dict[str, int | float]:
    """Return a job's counts; raises TypeError for anything else, which no row could keep."""
    if not isinstance(done, dict) or not all(type(n) in (int, float, bool) for n in done.values()):
        raise TypeError("A job returns counts by name.")
    return {str(name)[:100].replace("\0", ""): number for name, number in done.items()}


def _take(job: str, *, slot: str) -> JobRun | None:
    try:
        with transaction.atomic():
            return JobRun.objects.create(job=job, slot=slot)
    except IntegrityError:
        _forget_the_future(job)
        return None


def _forget_the_future(job: str) -> None:
    """Free the slots that were taken before the clock was set back, or the job would rest until they have passed."""
    gone, _ = JobRun.objects.filter(job=job, started_at__gt=Now() + AHEAD).delete()
    if gone:
        logger.warning("upkeep.clock_was_set_back", job=job, rows=gone)


def _slot(every_s: float) -> str:
    """Return the number of the present slot of the database's clock."""
    return f"{every_s:g}s:{int(database.now_s() // every_s)}"
