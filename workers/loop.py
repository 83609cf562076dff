"""One asyncio loop for a worker process, in a thread of its own; every async client of the process lives on it."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any

from aiops import database, lookups

DATABASE_THREADS = 4


class Loop:
    """The loop thread, and the small executor for database writes of coroutines."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop
        self._thread = threading.Thread(target=self._run, name="loop", daemon=True)
        self._probe: tuple[float, float | None] = (0.0, 0.0)
        self._database = ThreadPoolExecutor(DATABASE_THREADS, thread_name_prefix="rows")

    def start(self) -> None:
        """Start the thread."""
        self._loop = lookups.Loop()
        self._thread.start()

    def submit(self, coroutine: Coroutine[Any, Any, Any]) -> Future[Any]:
        """Run a coroutine on the loop, from any other thread."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop)

    def call(self, function: Callable[..., Any], *args: Any) -> None:
        """Call a function on the loop, soon, from any thread."""
        self._loop.call_soon_threadsafe(partial(function, *args))

    async def in_thread(self, function: Callable[..., Any], *args: Any) -> Any:
        """Run database work off the loop; its connection is closed afterwards, so waiting runs hold none."""
        return await asyncio.get_running_loop().run_in_executor(
            self._database, database.with_connection, function, *args
        )

    def lag_s(self) -> float:
        """Return how long the last probe waited for the loop, or has waited so far; then start another probe."""
        sent_at, answered_at = self._probe
        if answered_at is None:
            return time.monotonic() - sent_at
        self._probe = (time.monotonic(), None)
        self.call(self._record_lag)
        return answered_at - sent_at

    def _record_lag(self) -> None:
        self._probe = (self._probe[0], time.monotonic())

    def stop(self) -> None:
        """End the loop; what is still running on it is abandoned."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=2)
        if not self._thread.is_alive():
            self._loop.close()
        self._database.shutdown(wait=False)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()
