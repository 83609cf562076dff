"""What beat asks for: every upkeep job, those of one interval together; a missed tick is harmless."""

from __future__ import annotations

from datetime import timedelta
from itertools import groupby
from typing import Any

from aiops import dispatch
from aiops.jobs.catalogue import catalogue
from aiops.settings import Settings


def entries(settings: Settings) -> dict[str, dict[str, Any]]:
    """Return beat's entries: each costs a row, a message and a wake-up at every tick, so there is one an interval."""
    jobs = sorted(catalogue(settings), key=lambda job: job.every_s)  # stable: the reaper stays first of its interval
    grouped = groupby(jobs, key=lambda job: job.every_s)
    return {f"every {every_s:g} s": _entry([job.name for job in of], every_s) for every_s, of in grouped}


def _entry(names: list[str], every_s: float) -> dict[str, Any]:
    return {
        "task": dispatch.UPKEEP_TASK,
        "schedule": timedelta(seconds=every_s),
        "args": names,
        "kwargs": {"every_s": every_s},
        "options": {"queue": dispatch.UPKEEP_QUEUE, "expires": max(every_s, 10)},
    }
