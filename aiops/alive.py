"""Signs of life: a file in the home that a process touches while it works, for `aiops probe` on the same host.

Unlike the heartbeats in Redis, they say nothing about other systems: a process that waits for one is alive.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import time
from pathlib import Path

EVERY_S = 3.0
SILENT_S = 30.0
"""A process that has not touched its file for this long is stuck, or gone."""
FORGOTTEN_S = 3_600.0
"""Files this old are removed: of containers that share a home and are gone."""

logger = logging.getLogger(__name__)
"""Not ours: a probe must not import it, for it runs twice a minute in each container."""


class Sign:
    """The sign of life of one process."""

    def __init__(self, kind: str, home: Path) -> None:
        self._path = _folder(home) / f"{kind}.{socket.gethostname()}.{os.getpid()}"
        self._touched_at = float("-inf")
        self._failed = False

    def show(self) -> None:
        """Touch the file, at most every EVERY_S; a home that cannot be written is logged once."""
        now = time.monotonic()
        if now < self._touched_at + EVERY_S:
            return
        try:
            if self._touched_at == float("-inf"):
                self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                _forget_old(self._path.parent)
            self._path.touch(mode=0o600)
            self._failed = False
        except OSError as error:
            if not self._failed:
                logger.warning("The sign of life %s cannot be shown: %s", self._path, error.strerror)
            self._failed = True
        self._touched_at = now

    def end(self) -> None:
        """Remove the file."""
        with contextlib.suppress(OSError):
            self._path.unlink(missing_ok=True)


def problem(kind: str, home: Path) -> str:
    """Return why no process of this kind works on this host, or that one is stuck; "" if all work."""
    found = list(_folder(home).glob(f"{kind}.{socket.gethostname()}.*"))
    ages_s = {pid: time.time() - stat.st_mtime for path in found if (stat := _stat(path)) and (pid := _live_pid(path))}
    stuck = {pid: age_s for pid, age_s in ages_s.items() if age_s > SILENT_S}
    if stuck:
        pid, age_s = max(stuck.items(), key=lambda one: one[1])
        return f"the {kind} process {pid} has shown no sign of life for {age_s:.0f} s: see its log, and restart it"
    if not ages_s:
        return f"no {kind} process of this host works with the home {home.absolute()}: start one, or set AIOPS_HOME"
    return ""


def _folder(home: Path) -> Path:
    return home.absolute() / "alive"


def _stat(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except OSError:  # it has just ended
        return None


def _live_pid(path: Path) -> int | None:
    """Return the process of a sign; None if it is gone."""
    pid = int(path.name.rpartition(".")[2])
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        pass  # another user's
    return pid


def _forget_old(folder: Path) -> None:
    for path in folder.iterdir():
        if (stat := _stat(path)) and time.time() - stat.st_mtime > FORGOTTEN_S:
            path.unlink(missing_ok=True)
