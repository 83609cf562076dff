"""Why a run is stopped before its end, and the handle by which it is."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from enum import Enum


class Why(Enum):
    """Who stops a run."""

    CANCEL = "its owner asked"
    DRAIN = "the worker stops"
    LOST = "another worker has it"


class Stop:
    """Stops one run, at once or as soon as it can be stopped; its end is never interrupted."""

    def __init__(self) -> None:
        self.why: Why | None = None
        self._task: asyncio.Task[object] | None = None

    @contextlib.contextmanager
    def guard(self) -> Iterator[None]:
        """Let the present task be cancelled while inside; raises CancelledError when already asked to stop."""
        self._task = asyncio.current_task()
        try:
            if self.why is not None:
                raise asyncio.CancelledError
            yield
        except asyncio.CancelledError:
            if self.why is not None and (task := asyncio.current_task()) is not None:
                task.uncancel()
            raise
        finally:
            self._task = None

    def ask(self, why: Why) -> None:
        """Ask to stop, from the loop's own thread; the first reason stays, but a lost claim outranks it."""
        if self.why is None or why is Why.LOST:
            self.why = why
        if self._task is not None:
            self._task.cancel()
            self._task = None
