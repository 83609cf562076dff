"""Runs maintenance jobs that wait for something outside this system, each in a thread of its own.

The worker's few threads stay free for jobs that must not wait: a receiver or a tool server that never answers delays
only its own job, of which one runs at a time.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

from aiops import log

logger = log.get(__name__)
_lock = threading.Lock()
_waiting: dict[str, deque[Callable[[], None]]] = {}
"""Running jobs, each with the requests that came meanwhile."""


def start(job: str, run: Callable[[], None], *, requested: bool) -> bool:
    """Start a job. False when it is running: then a person's request runs after it, and a scheduled one is dropped."""
    with _lock:
        if job in _waiting:
            if requested:
                _waiting[job].append(run)
            return False
        _waiting[job] = deque([run])
    threading.Thread(target=_run, args=(job,), name=f"job-{job}", daemon=True).start()
    return True


def running() -> list[str]:
    """Return the names of the jobs that are running."""
    with _lock:
        return sorted(_waiting)


def _run(job: str) -> None:
    while (run := _next(job)) is not None:
        try:
            run()
        except Exception:  # failures of jobs are in the ledger; this is one of the ledger itself, such as no database
            logger.exception("outbound.failed", job=job)


def _next(job: str) -> Callable[[], None] | None:
    with _lock:
        if _waiting[job]:
            return _waiting[job].popleft()
        del _waiting[job]
        return None
