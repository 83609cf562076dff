"""Stopping a run before its end: the reason and the handle."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from enum import Enum

REPEAT_S = 0.5


class Why(Enum):
    """Reason for stopping a run."""

    CANCEL = "its owner asked"
    DEADLINE = "it took too long"
    DRAIN = "the worker stops"
    LOST = "another worker has it"


class Stop:
    """Stops one run as soon as it can be stopped; its end is never interrupted.

    A cancellation can be swallowed on its way (``asyncio.wait_for`` before Python 3.12 does when its future is done
    in the same moment), so it is repeated until the run has left ``guard``.
    """

    def __init__(self) -> None:
        self.why: Why | None = None
        self._task: asyncio.Task[object] | None = None

    @contextlib.contextmanager
    def guard(self) -> Iterator[None]:
        """Let the current task be cancelled inside; raises CancelledError if a stop was requested before."""
        self._task = task = asyncio.current_task()
        try:
            self.check()
            yield
        finally:
            self._task = None
            # A cancellation left over would interrupt the end of the run.
            while self.why is not None and task is not None and task.cancelling():
                task.uncancel()

    def check(self) -> None:
        """Raise CancelledError if a stop was requested."""
        if self.why is not None:
            raise asyncio.CancelledError

    def ask(self, why: Why) -> None:
        """Request a stop, in the loop's thread; the first reason is kept, unless the claim is lost."""
        if self.why is None or why is Why.LOST:
            self.why = why
        self._cancel()

    def _cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()
            self._task.get_loop().call_later(REPEAT_S, self._cancel)
