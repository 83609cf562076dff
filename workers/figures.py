"""A thread that tells how a worker process fares; the heartbeat must not wait for Redis twice."""

from __future__ import annotations

import threading
from collections.abc import Callable

from aiops import database, log, metrics
from workers.loop import Loop

EVERY_S = 3.0

logger = log.get(__name__)


class Figures:
    """Shows the process's gauges and sends what was counted."""

    def __init__(self, worker: str, loop: Loop, *, held: Callable[[], int]) -> None:
        self._worker = worker
        self._loop = loop
        self._held = held
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._tell, name="figures", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def end(self) -> None:
        """Send the last counts."""
        self._ended.set()
        self._thread.join(timeout=EVERY_S)
        metrics.flush()

    def _tell(self) -> None:
        while not self._ended.wait(EVERY_S):
            try:
                own = {"runs_held": self._held(), "loop_lag_seconds": self._loop.lag_s()}
                metrics.show(self._worker, {**own, **database.pool_figures()})
            except Exception:  # figures must not end a worker, nor their thread
                logger.exception("figures.broke")
