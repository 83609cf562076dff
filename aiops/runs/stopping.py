"""Why a run is stopped before its end, and the handle by which it is."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from enum import Enum

AGAIN_S = 0.5


class Why(Enum):
    """Who stops a run."""

    CANCEL = "its owner asked"
    DEADLINE = "it took too long"
    DRAIN = "the worker stops"
    LOST = "another worker has it"


class Stop:
    """Stops one run, at once or as soon as it can be stopped; its end is never interrupted.

    A cancellation can be swallowed on its way (``asyncio.wait_for`` before Python 3.12 does when its future is done
    in the same moment), so it is repeated until the run has left ``guard``.
    """

    def __init__(self) -> None:
        self.why: Why | None = None
        self._task: asyncio.Task[object] | None = None

    @contextlib.contextmanager
    def guard(self) -> Iterator[None]:
        """Let the present task be cancelled while inside; raises CancelledError when already asked to stop."""
        self._task = task = asyncio.current_task()
        try:
            self.check()
            yield
        finally:
            self._task = None
            while self.why is not None and task is not None and task.cancelling():
                task.uncancel()

    def check(self) -> None:
        """Raise CancelledError when asked to stop."""
        if self.why is not None:
            raise asyncio.CancelledError

    def ask(self, why: Why) -> None:
        """Ask to stop, from the loop's own thread; the first reason stays, but a lost claim outranks it."""
        if self.why is None or why is Why.LOST:
            self.why = why
        self._cancel()

    def _cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()
            self._task.get_loop().call_later(AGAIN_S, self._cancel)
