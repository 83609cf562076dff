"""A thread that reports a worker process's metrics, so that the heartbeat need not wait for Redis."""

from __future__ import annotations

import threading
from collections.abc import Callable

from aiops import database, log, metrics
from workers.loop import Loop

EVERY_S = 3.0

logger = log.get(__name__)


class Figures:
    """Reports the process's gauges and flushes its counters, every 3 s."""

    def __init__(self, worker: str, loop: Loop, *, held: Callable[[], int]) -> None:
        self._worker = worker
        self._loop = loop
        self._held = held
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._report, name="figures", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def end(self) -> None:
        """Stop the thread and flush the last counts."""
        self._ended.set()
        self._thread.join(timeout=EVERY_S)
        metrics.flush()

    def _report(self) -> None:
        while not self._ended.wait(EVERY_S):
            try:
                own = {"runs_held": self._held(), "loop_lag_seconds": self._loop.lag_s()}
                metrics.show(self._worker, {**own, **database.pool_figures()})
            except Exception:  # metrics must end neither the worker nor this thread
                logger.exception("figures.broke")
