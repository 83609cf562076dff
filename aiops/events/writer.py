"""Writes one run's events from the worker: numbered, redacted, deltas coalesced, and never in the way of the run."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import redis
import redis.asyncio

from aiops import log
from aiops.events import stream, types
from aiops.events.redaction import Redactor
from aiops.events.types import Event, EventId

COALESCE_S = 0.025
DELTA_CHARACTERS = 12_000
"""A longer text is sent as several deltas, each well under the largest event."""

logger = log.get(__name__)


class EventWriter:
    """The only writer of a run's events while its claim holds.

    The first delta goes out at once, later ones about every 25 ms. When Redis is down the run goes on unseen:
    the loss is logged, counted in ``lost``, and the row still gets the answer.
    """

    def __init__(
        self, client: redis.asyncio.Redis, run_id: str, *, fence: int, message_id: str, redactor: Redactor, ttl_s: int
    ) -> None:
        self._client = client
        self._run_id = run_id
        self._fence = fence
        self._message_id = message_id
        self._redactor = redactor
        self._ttl_s = ttl_s
        self._seq = 0
        self._raw = ""
        self._ready = ""
        self._last_sent = float("-inf")
        self._timer: asyncio.Task[None] | None = None
        self._order = asyncio.Lock()
        self.said = ""
        self.lost = 0
        self.outdated = False

    async def emit(self, event_type: str, **data: Any) -> None:
        """Write an event, after everything said before it."""
        await self.flush()
        await self._write([self._event(event_type, self._redactor.redact_json(data))])

    async def say(self, text: str) -> None:
        """Add words to the answer; what could begin a secret is held back until it can't."""
        shown, self._raw = self._redactor.split(self._raw + text)
        self.said += shown
        self._ready += shown
        if not self._ready:
            return
        wait_s = self._last_sent + COALESCE_S - asyncio.get_running_loop().time()
        if wait_s <= 0:
            await self._send_ready()
        elif self._timer is None:
            self._timer = asyncio.create_task(self._send_later(wait_s))

    async def flush(self) -> None:
        """Send all that was said, the held tail included (redacted)."""
        tail = self._redactor.redact(self._raw)
        self._raw = ""
        self.said += tail
        self._ready += tail
        await self._send_ready()

    async def reset(self, reason: str, *, keep: str = "") -> None:
        """Tell watchers to discard what was said, down to ``keep``."""
        self._raw = self._ready = self.said = ""
        await self._write([self._event(types.RESET, {"message": self._message_id, "reason": reason})])
        if keep:
            await self.say(keep)
            await self.flush()

    async def close(self) -> None:
        """Send what is left and stop the timer."""
        await self.flush()
        if self._timer is not None:
            self._timer.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._timer

    async def _send_later(self, wait_s: float) -> None:
        await asyncio.sleep(wait_s)
        self._timer = None
        await self._send_ready()

    async def _send_ready(self) -> None:
        text, self._ready = self._ready, ""
        if not text:
            return
        self._last_sent = asyncio.get_running_loop().time()
        parts = [text[i : i + DELTA_CHARACTERS] for i in range(0, len(text), DELTA_CHARACTERS)]
        await self._write([self._event(types.DELTA, {"message": self._message_id, "text": part}) for part in parts])

    def _event(self, event_type: str, data: dict[str, Any]) -> Event:
        self._seq += 1
        return types.make(self._run_id, EventId(self._fence, self._seq), event_type, data)

    async def _write(self, events: list[Event]) -> None:
        async with self._order:
            if self.outdated:
                return
            try:
                self.outdated = not await stream.append(self._client, self._run_id, events, ttl_s=self._ttl_s)
            except (redis.RedisError, OSError) as error:
                self.lost += len(events)
                logger.warning("events.lost", count=len(events), error=str(error))
