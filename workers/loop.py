"""One asyncio loop for a worker process, in a thread of its own; every async client of the process lives on it."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any

from django.db import close_old_connections, connection

DATABASE_THREADS = 4


class Loop:
    """The loop thread, and the small executor for database writes of coroutines."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop
        self._thread = threading.Thread(target=self._run, name="loop", daemon=True)
        self._looked: tuple[float, float | None] = (0.0, 0.0)
        self._database = ThreadPoolExecutor(DATABASE_THREADS, thread_name_prefix="rows")

    def start(self) -> None:
        """Start the thread."""
        self._loop = asyncio.new_event_loop()
        self._thread.start()

    def submit(self, coroutine: Coroutine[Any, Any, Any]) -> Future[Any]:
        """Run a coroutine on the loop, from any other thread."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop)

    def call(self, function: Callable[..., Any], *args: Any) -> None:
        """Call a function on the loop, soon, from any thread."""
        self._loop.call_soon_threadsafe(partial(function, *args))

    async def in_thread(self, function: Callable[..., Any], *args: Any) -> Any:
        """Run database work off the loop; its connection is closed afterwards, so waiting runs hold none."""
        return await asyncio.get_running_loop().run_in_executor(self._database, _with_connection, function, args)

    def lag_s(self) -> float:
        """Return how long the last look waited for the loop, or has waited so far, and look again."""
        asked, seen = self._looked
        if seen is None:
            return time.monotonic() - asked
        self._looked = (time.monotonic(), None)
        self.call(self._see)
        return seen - asked

    def _see(self) -> None:
        self._looked = (self._looked[0], time.monotonic())

    def stop(self) -> None:
        """End the loop; what still runs on it is dropped."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=2)
        if not self._thread.is_alive():
            self._loop.close()
        self._database.shutdown(wait=False)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()


def _with_connection(function: Callable[..., Any], args: tuple[Any, ...]) -> Any:
    close_old_connections()
    try:
        return function(*args)
    finally:
        connection.close()
