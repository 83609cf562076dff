"""The circuit breaker of one server: after failures in a row calls fail at once, until one of them is let through."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

from aiops import log
from aiops.tool_servers.client.errors import CircuitOpen, ServerDown, ToolTimeout

FAILURES = 3
"""Calls, or attempts to connect, that fail in a row before the circuit opens."""
FIRST_PAUSE_S = 5.0
MAX_PAUSE_S = 300.0
"""Pauses double from the first to the longest, each time the call that is let through fails, too."""
GRACE_S = 5.0
"""A server that was lost gets this time to come back before calls stop waiting for it: the time of a restart."""

logger = log.get(__name__)


class Breaker:
    """Counts what fails because of the server; an error of a tool is an answer. Used in one loop, in memory only.

    Connecting has its own count: a server that is connected may still answer no call.
    """

    def __init__(self, server: str, *, now: Callable[[], float] = time.monotonic) -> None:
        self._server = server
        self._now = now
        self._failed = 0
        self._failed_since = 0.0
        self._next_at = 0.0
        self._pause_s = FIRST_PAUSE_S
        self._is_trying = False
        self._attempts = 0
        self._lost_at = 0.0
        self._again_at = 0.0

    @property
    def is_open(self) -> bool:
        """Whether calls fail at once, except the one that is let through after a pause."""
        return self._failed >= FAILURES

    @contextlib.contextmanager
    def passing(self) -> Iterator[None]:
        """Let a call pass and count how it ends; raises CircuitOpen instead."""
        tries = self.is_open
        if tries and (self._is_trying or self._now() < self._next_at):
            raise CircuitOpen(self._refusal())
        self._is_trying = self._is_trying or tries
        try:
            yield
        except (ServerDown, ToolTimeout):
            self._fail(tries=tries)
            raise
        else:
            self._succeed()
        finally:  # a call that was stopped says nothing about its server
            if tries:
                self._is_trying = False

    def check_passed(self) -> None:
        """Let the next call try at once: a handshake succeeds, which is no proof that calls do."""
        self._next_at = self._now()

    def connected(self) -> None:
        self._attempts = 0

    def not_connected(self, *, again_in_s: float) -> None:
        """Count an attempt to connect that failed, or a connection that was lost."""
        if not self._attempts:
            self._lost_at = self._now()
        self._attempts += 1
        self._again_at = self._now() + again_in_s

    def absence(self, why: str) -> ServerDown:
        """Return the error of a call while there is no connection; nobody waits for what has been away for long."""
        text = f"The tool server {self._server!r} is not connected: {why}"
        if self._attempts < FAILURES or self._now() - self._lost_at < GRACE_S:
            return ServerDown(text, unmade=True)
        since, again = self._clock(self._lost_at), self._clock(self._again_at)
        return CircuitOpen(f"{text} It has been away since {since}, and is tried again at {again}.")

    def _fail(self, *, tries: bool) -> None:
        if not self._failed:
            self._failed_since = self._now()
        self._failed += 1
        if not tries and self._failed != FAILURES:
            return  # calls that began before the circuit opened fail after it: they make no pause longer
        self._pause_s = min(self._pause_s * 2, MAX_PAUSE_S) if tries else FIRST_PAUSE_S
        self._next_at = self._now() + self._pause_s
        logger.warning("tools.circuit_open", server=self._server, failed=self._failed, again_in_s=self._pause_s)

    def _succeed(self) -> None:
        if self.is_open:
            logger.info("tools.circuit_closed", server=self._server)
        self._failed = 0

    def _refusal(self) -> str:
        what = f"The tool server {self._server!r} has not answered {self._failed} calls in a row"
        again = "one is being tried now" if self._is_trying else f"it is tried again at {self._clock(self._next_at)}"
        return f"{what}, since {self._clock(self._failed_since)}: calls fail at once, and {again}."

    def _clock(self, moment: float) -> str:
        """Return a moment of the monotonic clock as a time of day."""
        return f"{datetime.now(UTC) + timedelta(seconds=moment - self._now()):%Y-%m-%d %H:%M:%S UTC}"
