"""Readiness: the database must answer; other parts that are down are named."""

from __future__ import annotations

import time
from datetime import datetime

import redis
from django.db import DatabaseError

from aiops import database, dispatch, keyspace, settings
from aiops.errors import Unavailable
from aiops.maintenance.models import JobRun

STALLED_S = 30.0
"""The reaper runs every few seconds: if none ended for this long (or five intervals), maintenance is stalled."""
_started = time.monotonic()


def check() -> tuple[bool, list[str]]:
    """Return (whether the database answers, names of the other parts that are down)."""
    try:
        stalled = is_maintenance_stalled(database.now())
    except DatabaseError:
        return False, _missing()
    return True, [*_missing(), *(["upkeep"] if stalled else [])]


def is_maintenance_stalled(now: datetime) -> bool:
    """Return whether the reaper, the most frequent maintenance job, has not ended lately.

    Always False right after the start of this process: the last run may be from long before.
    """
    allowed_s = max(STALLED_S, 5 * settings.current().reaper_s)
    if time.monotonic() - _started < allowed_s:
        return False
    ended = JobRun.objects.filter(job="reaper").exclude(outcome=JobRun.Outcome.RUNNING)
    last = ended.order_by("-started_at").values_list("started_at", flat=True).first()
    return last is None or (now - last).total_seconds() > allowed_s


def _missing() -> list[str]:
    missing = []
    try:
        if not keyspace.live_workers(dispatch.RUNS_QUEUE):
            missing.append("workers")
    except redis.RedisError:
        missing.append("redis")
    try:
        dispatch.depth(dispatch.RUNS_QUEUE)
    except Unavailable:
        missing.append("broker")
    return missing
