"""Which jobs there are, what each does in words, and how often the clock asks for it."""

from __future__ import annotations

from dataclasses import dataclass

from aiops import dispatch
from aiops.settings import Settings


@dataclass(frozen=True, slots=True)
class Job:
    """One job: it does all that is due, so a missed time is harmless."""

    name: str
    description: str
    every_s: float


def catalogue(settings: Settings) -> list[Job]:
    """Return every job of this system."""
    jobs = [
        Job(
            "reaper",
            "Takes back runs whose worker fell silent, and sends again what the queue lost.",
            settings.reaper_s,
        ),
        Job("batches", "Moves batches on, expires and removes them.", settings.reaper_s),
        Job("schedules", "Asks what schedules ask for now.", settings.reaper_s),
        Job(
            "webhooks",
            "Tells receivers of what has ended, and tries again where they did not answer.",
            settings.reaper_s,
        ),
        Job("memory_expiry", "Removes the memory of idle conversations.", 300),
        Job("event_streams", "Sees that every run's event stream has an end.", 300),
        Job("retention", "Removes what AIOPS_RETENTION keeps no longer, and memory that no conversation has.", 600),
        Job("tokens_and_sessions", "Removes expired tokens, sessions and keys, and old rows of jobs.", 3_600),
    ]
    assert tuple(job.name for job in jobs) == dispatch.UPKEEP_JOBS
    return jobs
