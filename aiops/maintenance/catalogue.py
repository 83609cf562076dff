"""The catalogue of maintenance jobs: those that installed features declare."""

from __future__ import annotations

import re
from dataclasses import replace

from aiops import log
from aiops.apps import Job, features
from aiops.settings import Settings

NAME = re.compile(r"^[a-z][a-z0-9_]{0,39}\Z")

logger = log.get(__name__)


def catalogue(settings: Settings) -> list[Job]:
    """Return every job with its interval, the most frequent first; of two with one name, the first installed."""
    found: dict[str, Job] = {}
    for feature in features():
        for job in feature.jobs:
            every_s = settings.reaper_s if job.every_s is None else job.every_s
            if not NAME.match(job.name) or every_s < 1 or ":" not in job.run:
                logger.error("job.refused", feature=feature.name, job=job.name)
                continue
            found.setdefault(job.name, replace(job, every_s=every_s))
    return sorted(found.values(), key=lambda job: (job.every_s or 0, job.name != "reaper"))  # it goes before its equals


def names(settings: Settings) -> list[str]:
    """Return the name of every job."""
    return [job.name for job in catalogue(settings)]


def find(name: str, settings: Settings) -> Job | None:
    """Return the job with this name."""
    return next((job for job in catalogue(settings) if job.name == name), None)
