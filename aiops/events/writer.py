"""Writes one run's events from the worker: numbered, redacted, deltas coalesced, and never in the way of the run."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Any

import redis
import redis.asyncio

from aiops import log
from aiops.events import stream, types
from aiops.events.redaction import Redactor
from aiops.events.types import Event, EventId

COALESCE_S = 0.025
DOWN_S = 2.0
"""After a failure nothing is tried for this long: a frozen Redis must not eat the run's time."""
DELTA_CHARACTERS = 12_000
"""A longer text is sent as several deltas, each well under the largest event."""

Item = tuple[str, dict[str, Any]]
"""An event before it has its number: type and data."""

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
        self._down_until = 0.0
        """Until when nothing is tried; 0 while all is well."""
        self._handed_on = ""
        self._order = asyncio.Lock()
        self.said = ""
        self.lost = 0
        self.outdated = False

    async def emit(self, event_type: str, **data: Any) -> None:
        """Write an event, after everything said before it."""
        await self.emit_all([(event_type, data)])

    async def emit_all(self, items: Sequence[Item]) -> None:
        """Write events in one round trip, after everything said before them."""
        await self.flush()
        await self._write([(event_type, self._redactor.redact_json(data)) for event_type, data in items])

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
        self._raw = self._ready = self.said = self._handed_on = ""
        await self._write([self._reset(reason)])
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
        self._handed_on += text
        await self._write(self._deltas(text))

    def _deltas(self, text: str) -> list[Item]:
        parts = [text[i : i + DELTA_CHARACTERS] for i in range(0, len(text), DELTA_CHARACTERS)]
        return [(types.DELTA, {"message": self._message_id, "text": part}) for part in parts]

    def _reset(self, reason: str) -> Item:
        return types.RESET, {"message": self._message_id, "reason": reason}

    def _whole(self, items: list[Item]) -> list[Item]:
        """Return what to write after a loss: all that was said, from its beginning, and then the rest."""
        rest = [item for item in items if item[0] != types.DELTA]
        return [self._reset("events_lost"), *self._deltas(self._handed_on), *rest]

    def _numbered(self, items: list[Item]) -> list[Event]:
        made = []
        for event_type, data in items:
            self._seq += 1
            made.append(types.make(self._run_id, EventId(self._fence, self._seq), event_type, data))
        return made

    async def _write(self, items: list[Item]) -> None:
        async with self._order:
            if self.outdated:
                return
            now = asyncio.get_running_loop().time()
            if now < self._down_until:
                self.lost += len(items)
                return
            hole = self._down_until > 0 and items[0][0] != types.RESET
            events = self._numbered(self._whole(items) if hole else items)
            try:
                self.outdated = not await stream.append(self._client, self._run_id, events, ttl_s=self._ttl_s)
            except (redis.RedisError, OSError) as error:
                self.lost += len(items)
                self._down_until = asyncio.get_running_loop().time() + DOWN_S
                logger.warning("events.lost", count=len(items), error=str(error))
            else:
                self._down_until = 0.0
