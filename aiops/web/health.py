"""Whether this system can work: the database must answer; what else is missing is named."""

from __future__ import annotations

import redis
from django.db import DatabaseError, connection

from aiops import dispatch, keyspace
from aiops.errors import Unavailable


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
        if not keyspace.live_workers(dispatch.RUNS_QUEUE):
            missing.append("workers")
    except redis.RedisError:
        missing.append("redis")
    try:
        dispatch.depth(dispatch.RUNS_QUEUE)
    except Unavailable:
        missing.append("broker")
    return missing
