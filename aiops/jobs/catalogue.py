"""Which jobs there are: our own, and those that installed packages offer by entry point."""

from __future__ import annotations

import functools
import importlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import entry_points

from aiops import log
from aiops.settings import Settings

GROUP = "aiops.jobs"
"""Entry points of packages that bring jobs of their own; each leads to a ``Job``."""
NAME = re.compile(r"^[a-z][a-z0-9_]{0,39}\Z")

logger = log.get(__name__)


@dataclass(frozen=True, slots=True)
class Job:
    """One job: it does all that is due, so a missed time is harmless.

    ``work`` is ``package.module:function``, which gets the settings and returns counts of what it did; it is imported
    where jobs run, so naming it costs nobody else anything.
    """

    name: str
    description: str
    every_s: float
    work: str

    def load(self) -> Callable[[Settings], dict[str, int]]:
        """Return what does the work; raises ImportError or AttributeError."""
        module, _, function = self.work.partition(":")
        work: Callable[[Settings], dict[str, int]] = getattr(importlib.import_module(module), function)
        return work


def catalogue(settings: Settings) -> list[Job]:
    """Return every job of this system, our own first."""
    own = _own(settings)
    return [*own, *(job for job in _of_packages() if job.name not in {one.name for one in own})]


def names(settings: Settings) -> list[str]:
    """Return the name of every job."""
    return [job.name for job in catalogue(settings)]


def find(name: str, settings: Settings) -> Job | None:
    """Return the job of this name."""
    return next((job for job in catalogue(settings) if job.name == name), None)


def _own(settings: Settings) -> list[Job]:
    often = settings.reaper_s
    return [
        _job("reaper", "Takes back runs whose worker fell silent, and sends again what the queue lost.", often),
        _job("batches", "Moves batches on, expires and removes them.", often),
        _job("schedules", "Asks what schedules ask for now.", often),
        _job("webhooks", "Tells receivers of what has ended, and tries again where they did not answer.", often),
        _job("tool_servers", "Looks whether tool servers and model providers are well.", 60),
        _job("memory_expiry", "Removes the memory of idle conversations.", 300),
        _job("event_streams", "Sees that every run's event stream has an end.", 300),
        _job("retention", "Removes what AIOPS_RETENTION keeps no longer, and memory that no conversation has.", 600),
        _job("tokens_and_sessions", "Removes expired tokens, sessions and keys, and old rows of jobs.", 3_600),
    ]


def _job(name: str, description: str, every_s: float) -> Job:
    return Job(name, description, every_s, work=f"aiops.upkeep.jobs.{name}:work")


@functools.cache
def _of_packages() -> tuple[Job, ...]:
    """Return the jobs of installed packages; one that cannot be used is told in the log and left out."""
    found: dict[str, Job] = {}
    for entry in entry_points(group=GROUP):
        try:
            job = entry.load()
            if not isinstance(job, Job) or not NAME.match(job.name) or job.every_s < 1 or ":" not in job.work:
                raise TypeError("it is no Job with a name of small letters, a second or more, and module:function")
        except Exception as error:  # another's code: whatever it raises, our own jobs go on
            logger.exception("jobs.refused", entry_point=entry.value, error=str(error))
            continue
        found.setdefault(job.name, job)
    return tuple(found.values())
