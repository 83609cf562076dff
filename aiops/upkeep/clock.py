"""The database's clock, by which leases and slots are told, and whether somebody has set it."""

from __future__ import annotations

import time
from typing import Any

from django.db import connection

STEP_S = 1.5
"""The database's clock and this process's monotonic one may drift apart this much between two looks."""
_last: list[tuple[float, float]] = []
"""The two clocks at the last look: the database's, and the monotonic one."""


def database_seconds() -> float:
    """Return the database's time, Unix seconds (SQLite before 3.42 has no sub-second unixepoch)."""
    sql = {
        "sqlite": "SELECT (julianday('now') - 2440587.5) * 86400.0",
        "postgresql": "SELECT extract(epoch FROM clock_timestamp())",
    }
    with connection.cursor() as cursor:
        cursor.execute(sql[connection.vendor])
        row: Any = cursor.fetchone()
    return float(row[0])


def was_set() -> bool:
    """Return whether the database's clock has jumped since this process last asked; False the first time."""
    now = database_seconds(), time.monotonic()
    before = _last[0] if _last else now
    _last[:] = [now]
    return abs((now[0] - before[0]) - (now[1] - before[1])) > STEP_S
