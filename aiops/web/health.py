"""Whether this system can work: the database must answer; what else is missing is named."""

from __future__ import annotations

import time

import redis
from django.db import DatabaseError, connection

from aiops import dispatch, keyspace
from aiops.errors import Unavailable

SILENT_S = 15.0
"""A worker without a heartbeat for this long is gone."""


def look() -> tuple[bool, list[str]]:
    """Return (the database answers, the other parts that do not)."""
    return _database_answers(), _missing()


def _database_answers() -> bool:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        return False
    return True


def _missing() -> list[str]:
    missing = []
    try:
        if not keyspace.sync().zcount(keyspace.WORKERS, time.time() - SILENT_S, "+inf"):
            missing.append("workers")
    except redis.RedisError:
        missing.append("redis")
    try:
        dispatch.depth(dispatch.RUNS_QUEUE)
    except Unavailable:
        missing.append("broker")
    return missing
