"""Time limits that hold on a busy machine: they stretch with the number of processes that want each core."""

from __future__ import annotations

import os
import time
from pathlib import Path

LOAD = Path("/proc/loadavg")


def crowding() -> float:
    """Return how many processes want each core, 1 at least: at 2, everything takes about twice as long."""
    cores = os.cpu_count() or 1
    runnable = int(LOAD.read_text().split()[3].partition("/")[0]) if LOAD.exists() else 0
    return max(1.0, os.getloadavg()[0] / cores, runnable / cores)


class Patience:
    """So many seconds of a machine that does nothing else; on a crowded one they pass more slowly."""

    def __init__(self, seconds: float) -> None:
        self._left_s = seconds
        self._seen_at = time.monotonic()

    def is_over(self) -> bool:
        """Whether the time is up; call it often, as it weighs the time since the last call by the crowding now."""
        now = time.monotonic()
        self._left_s -= (now - self._seen_at) / crowding()
        self._seen_at = now
        return self._left_s <= 0
