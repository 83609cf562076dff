"""Detects that the database's clock was set, because leases and the slots of jobs depend on it."""

from __future__ import annotations

import time

from aiops import database

STEP_S = 1.5
"""How far the database's clock and this process's monotonic clock may drift apart between two calls."""
_last_offset_s: list[float] = []
"""The database's time minus the monotonic time, at the last call."""


def was_set() -> bool:
    """Return whether the database's clock has jumped since this process's last call; False the first time."""
    offset_s = database.now_s() - time.monotonic()
    last_s = _last_offset_s[0] if _last_offset_s else offset_s
    _last_offset_s[:] = [offset_s]
    return abs(offset_s - last_s) > STEP_S
