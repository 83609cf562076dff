"""Writes one run's events from the worker: numbered, redacted, coalesced. No failure of Redis stops the run."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import Sequence
from typing import Any

import redis
import redis.asyncio

from aiops import log
from aiops.events import stream, types
from aiops.events.redaction import Redactor
from aiops.events.types import EventId

COALESCE_S = 0.025
THINKING_S = 0.2
"""Pause between two events of what the model thinks."""
DOWN_S = 2.0
"""No write is attempted for this long after a failure: a frozen Redis must not use up the run's deadline."""
DELTA_CHARACTERS = 12_000
"""A longer text is sent as several deltas, each well below the largest event."""

Item = tuple[str, dict[str, Any]]
"""An event before it has its number: type and data."""

logger = log.get(__name__)


class EventWriter:
    """The only writer of a run's events while its claim holds.

    The first delta is sent at once, later ones about every 25 ms. When Redis is down the run continues without events:
    the loss is logged and counted in ``lost``, and the row still gets the answer.
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
        self._seq = itertools.count(1)
        self._raw = ""
        self._ready = ""
        self._last_sent = float("-inf")
        self._raw_thinking = ""
        self._thinking = ""
        self._last_thinking = float("-inf")
        self._timer: asyncio.Task[None] | None = None
        self._down_until = 0.0
        """Loop time until which no write is attempted; 0 while Redis answers."""
        self._handed_on = ""
        self._order = asyncio.Lock()
        self.said = ""
        self.lost = 0
        self.outdated = False

    def also_remove(self, patterns: Sequence[str]) -> None:
        """Remove what matches these regular expressions from all further texts, too."""
        self._redactor = self._redactor.including(tuple(patterns))

    async def emit(self, event_type: str, **data: Any) -> None:
        """Write an event after all text so far."""
        await self.emit_all([(event_type, data)])

    async def emit_all(self, items: Sequence[Item]) -> None:
        """Write events in one round trip, after all text so far."""
        await self.flush()
        await self._write([(event_type, self._redactor.redact_json(data)) for event_type, data in items])

    async def say(self, text: str) -> None:
        """Add text to the answer; a tail that may begin a secret is held back until it is known not to."""
        if self._thinking or self._raw_thinking:
            await self.flush()
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

    async def think(self, text: str) -> None:
        """Add text to what the model thinks: shown live, kept nowhere."""
        shown, self._raw_thinking = self._redactor.split(self._raw_thinking + text)
        self._thinking += shown
        if asyncio.get_running_loop().time() >= self._last_thinking + THINKING_S:
            await self._send_thinking()

    async def flush(self) -> None:
        """Send all text so far, the held-back tail (redacted) included."""
        if self._thinking or self._raw_thinking:
            self._thinking += self._redactor.redact(self._raw_thinking)
            self._raw_thinking = ""
            await self._send_thinking()
        tail = self._redactor.redact(self._raw)
        self._raw = ""
        self.said += tail
        self._ready += tail
        await self._send_ready()

    async def reset(self, reason: str, *, keep: str = "") -> None:
        """Make viewers discard the text so far, except ``keep``."""
        self._raw = self._ready = self.said = self._handed_on = self._raw_thinking = self._thinking = ""
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

    async def _send_thinking(self) -> None:
        text, self._thinking = self._thinking, ""
        if text:
            self._last_thinking = asyncio.get_running_loop().time()
            await self._write(self._deltas(text, of=types.THINKING))

    def _deltas(self, text: str, *, of: str = types.DELTA) -> list[Item]:
        return [
            (of, {"message": self._message_id, "text": text[start : start + DELTA_CHARACTERS]})
            for start in range(0, len(text), DELTA_CHARACTERS)
        ]

    def _reset(self, reason: str) -> Item:
        return types.RESET, {"message": self._message_id, "reason": reason}

    def _whole(self, items: list[Item]) -> list[Item]:
        """Return what to write after a loss: the whole text from its beginning, then the other events."""
        rest = [item for item in items if item[0] != types.DELTA]
        return [self._reset("events_lost"), *self._deltas(self._handed_on), *rest]

    async def _write(self, items: list[Item]) -> None:
        async with self._order:
            if self.outdated:
                return
            if asyncio.get_running_loop().time() < self._down_until:
                self.lost += len(items)
                return
            hole = self._down_until > 0 and items[0][0] != types.RESET  # a reset discards what was lost anyway
            events = [
                types.make(self._run_id, EventId(self._fence, next(self._seq)), event_type, data)
                for event_type, data in (self._whole(items) if hole else items)
            ]
            try:
                self.outdated = not await stream.append(self._client, self._run_id, events, ttl_s=self._ttl_s)
            except (redis.RedisError, OSError) as error:
                self.lost += len(items)
                self._down_until = asyncio.get_running_loop().time() + DOWN_S
                logger.warning("events.lost", count=len(items), error=str(error))
            else:
                self._down_until = 0.0
