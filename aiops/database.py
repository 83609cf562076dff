"""The database's clock, by which leases and slots are told, and this process's connections to it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django.db import connection


def pool_figures() -> dict[str, float]:
    """Return how many connections this process's pool holds and how many requests wait for one; {} without a pool."""
    pool: Any = getattr(connection, "pool", None) if connection.vendor == "postgresql" else None
    if pool is None:
        return {}
    seen = pool.get_stats()
    return {
        "database_pool_size": seen.get("pool_size", 0),
        "database_pool_waiting": seen.get("requests_waiting", 0),
    }


def now_s() -> float:
    """Return the database's time, Unix seconds (SQLite before 3.42 has no sub-second unixepoch)."""
    sql = {
        "sqlite": "SELECT (julianday('now') - 2440587.5) * 86400.0",
        "postgresql": "SELECT extract(epoch FROM clock_timestamp())",
    }
    with connection.cursor() as cursor:
        cursor.execute(sql[connection.vendor])
        row: Any = cursor.fetchone()
    return float(row[0])


def now() -> datetime:
    """Return the database's time."""
    return datetime.fromtimestamp(now_s(), UTC)
