"""Whether somebody has set the database's clock, by which leases and slots are told."""

from __future__ import annotations

import time

from aiops import database

STEP_S = 1.5
"""The database's clock and this process's monotonic one may drift apart this much between two looks."""
_last: list[tuple[float, float]] = []
"""The two clocks at the last look: the database's, and the monotonic one."""


def was_set() -> bool:
    """Return whether the database's clock has jumped since this process last asked; False the first time."""
    now = database.now_s(), time.monotonic()
    before = _last[0] if _last else now
    _last[:] = [now]
    return abs((now[0] - before[0]) - (now[1] - before[1])) > STEP_S
