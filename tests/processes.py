"""States of processes that may end at any moment."""

from __future__ import annotations

from collections.abc import Iterable

import psutil


def state(process: psutil.Process) -> str:
    """Return psutil's status, "dead" for a process that is gone."""
    try:
        return process.status()
    except psutil.NoSuchProcess:
        return psutil.STATUS_DEAD


def running(processes: Iterable[psutil.Process]) -> list[psutil.Process]:
    return [one for one in processes if state(one) not in (psutil.STATUS_DEAD, psutil.STATUS_ZOMBIE)]
