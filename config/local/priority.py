"""Lowers the priority of a process that shares its machine with others, on kernels that group processes by session too.

Linux with autogroups (``sched(7)``; on in Debian's kernels) weighs the nice level of a process only against the others
of its session. Each of our processes has a session of its own, so the level of the session is set as well.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

AUTOGROUP = Path("/proc/self/autogroup")


def lower(nice: int) -> None:
    """Give this process, the first of its session, a nice level; 0 changes nothing."""
    if not nice:
        return
    level = os.nice(nice)
    with contextlib.suppress(OSError):  # no autogroups here, or not writable in this container: its own level remains
        AUTOGROUP.write_text(str(level))
