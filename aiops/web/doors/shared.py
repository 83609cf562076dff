"""Queries that are shared by all who wait for the same result."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

from aiops.web.doors.guard import in_thread

Key = TypeVar("Key")
Result = TypeVar("Result")
MAX_AGE_S = 10.0
"""Older results are removed."""


class SharedQuery(Generic[Key, Result]):
    """Queries each key at most every ``every_s`` seconds, for any number of callers."""

    def __init__(self, query: Callable[[Key], Result], *, every_s: float) -> None:
        self._query = query
        self._every_s = every_s
        self._latest: dict[Key, tuple[float, Result]] = {}
        self._running: dict[Key, asyncio.Task[None]] = {}

    async def get(self, key: Key, *, since: float) -> Result:
        """Return the result of a query that began at ``since`` (the loop's time) or later; raises its errors."""
        while True:
            begun, result = self._latest.get(key, (None, None))
            if begun is not None and begun >= since:
                return result  # type: ignore[return-value]  # a time without a result does not exist
            if key not in self._running:
                self._running[key] = asyncio.create_task(self._run(key, begun))
            await asyncio.shield(self._running[key])  # a caller that leaves must not cancel it for the others

    async def _run(self, key: Key, last_begun: float | None) -> None:
        now = asyncio.get_running_loop().time
        try:
            if last_begun is not None:
                await asyncio.sleep(last_begun + self._every_s - now())
            begun = now()
            self._latest[key] = (begun, await in_thread(self._query, key))
            self._forget(begun - MAX_AGE_S)
        finally:
            del self._running[key]

    def _forget(self, before: float) -> None:
        for key in [key for key, (begun, _) in self._latest.items() if begun < before]:
            del self._latest[key]
