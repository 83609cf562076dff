"""What the clock asks for: upkeep jobs and their intervals; each does all that is due, so a missed tick is harmless."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from aiops import dispatch
from aiops.settings import Settings


def _entry(job: str, *, every_s: float) -> dict[str, Any]:
    return {
        "task": dispatch.UPKEEP_TASK,
        "schedule": timedelta(seconds=every_s),
        "args": (job,),
        "kwargs": {"every_s": every_s},
        "options": {"queue": dispatch.UPKEEP_QUEUE, "expires": max(every_s, 10)},
    }


def entries(settings: Settings) -> dict[str, dict[str, Any]]:
    """Return beat's entries."""
    return {
        "reaper": _entry("reaper", every_s=settings.reaper_s),
        "memory_expiry": _entry("memory_expiry", every_s=300),
        "event_streams": _entry("event_streams", every_s=300),
        "tokens_and_sessions": _entry("tokens_and_sessions", every_s=3_600),
    }
