"""One Redis subscriber per web process; its events are handed to every viewer through a bounded queue."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Container, Hashable, Iterable
from enum import Enum
from typing import Any

import redis
import redis.asyncio

from aiops import cancellation, keyspace, log
from aiops.events.types import Event

MOST_WAITING = 2_000
"""Events that may wait for one viewer; a slower one is closed, and its client reconnects with its last event id."""
ACK_TIMEOUT_S = 5.0

logger = log.get(__name__)


class Signal(Enum):
    """What a viewer gets besides events."""

    GAP = "events may have been missed: replay"
    DOWN = "Redis does not answer: events may be missing"
    ENDED = "the row has ended: replay, then use the row"
    DISMISSED = "the viewer's session or token has ended: close it"
    OVERFLOW = "the viewer reads too slowly: close it"


Item = Event | Signal


class Kind(Enum):
    """What a viewer watches."""

    RUN = "run"
    BATCH = "batch"


class Viewer:
    """A viewer of one run or batch, with the credential (such as a session) it was admitted by."""

    def __init__(self, watched_id: str, kind: Kind, credential: Hashable = None) -> None:
        self.watched_id = watched_id
        self.kind = kind
        self.credential = credential
        self._items: asyncio.Queue[Item] = asyncio.Queue(MOST_WAITING)
        self._overflown = False
        self._started = False

    def offer(self, item: Item) -> None:
        """Add an item; a full queue marks the viewer as too slow."""
        try:
            self._items.put_nowait(item)
        except asyncio.QueueFull:
            self._overflown = True

    def drain(self) -> Signal | None:
        """Drop what waits, for a viewer that reads the row instead; a dropped DISMISSED is returned."""
        dismissed = False
        while not self._items.empty():
            dismissed |= self._items.get_nowait() is Signal.DISMISSED
        self._overflown = False
        return Signal.DISMISSED if dismissed else None

    async def next(self, timeout_s: float) -> Item | None:
        """Return the next item, or None on timeout; the first is DOWN when Redis does not acknowledge in time."""
        if self._overflown:
            return Signal.OVERFLOW
        try:
            async with asyncio.timeout(timeout_s if self._started else ACK_TIMEOUT_S):
                item: Item | None = await self._items.get()
        except TimeoutError:
            item = None if self._started else Signal.DOWN
        self._started = True
        return item


class Hub:
    """Fans live events out; survives an outage of Redis and signals every viewer to replay afterwards.

    Viewers only register; one task per connection subscribes, so that a viewer that leaves cannot interrupt it.
    """

    def __init__(self, client: redis.asyncio.Redis) -> None:
        self.client = client
        self._viewers: dict[str, set[Viewer]] = {}
        self._acknowledged: set[str] = set()
        self._needs_changed = asyncio.Event()
        self._reader: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start to read; needs a running loop."""
        self._reader = asyncio.create_task(self._read_forever())

    async def stop(self) -> None:
        """Stop reading and close the connections."""
        if self._reader is not None:
            self._reader.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._reader
        await self.client.aclose()

    @property
    def watched(self) -> list[str]:
        """Ids of the runs that have viewers, without batches."""
        return [one for one, viewers in self._viewers.items() if any(v.kind is Kind.RUN for v in viewers)]

    @property
    def viewers(self) -> int:
        """Number of viewers."""
        return sum(map(len, self._viewers.values()))

    def notify(self, ids: Iterable[str], signal: Signal) -> None:
        """Send a signal to the viewers of these runs or batches."""
        for watched_id in ids:
            for viewer in self._viewers.get(watched_id, ()):
                viewer.offer(signal)

    @property
    def credentials(self) -> set[Any]:
        """Credentials of all viewers."""
        return {v.credential for viewers in self._viewers.values() for v in viewers} - {None}

    def dismiss(self, ended: Container[Hashable]) -> None:
        """Close the viewers whose credential has ended."""
        for viewers in self._viewers.values():
            for viewer in viewers:
                if viewer.credential in ended:
                    viewer.offer(Signal.DISMISSED)

    @contextlib.asynccontextmanager
    async def watch(
        self, watched_id: str, credential: Hashable = None, *, kind: Kind = Kind.RUN
    ) -> AsyncIterator[Viewer]:
        """Yield a viewer; its first item is a signal, GAP (it misses nothing from then on: replay) or DOWN."""
        viewer = Viewer(watched_id, kind, credential)
        self._viewers.setdefault(watched_id, set()).add(viewer)
        self._needs_changed.set()
        if watched_id in self._acknowledged:
            viewer.offer(Signal.GAP)
        try:
            yield viewer
        finally:
            self._viewers[watched_id].discard(viewer)
            if not self._viewers[watched_id]:
                del self._viewers[watched_id]
                self._needs_changed.set()

    async def _read_forever(self) -> None:
        pause_s = 0.1
        while True:
            try:
                await self._read()
            except* (redis.RedisError, OSError) as errors:
                logger.warning("hub.disconnected", error=str(errors.exceptions[0]))
            except* Exception:  # every viewer of this process depends on this reader
                logger.exception("hub.broke")
            pause_s = 0.1 if self._acknowledged else min(pause_s * 2, 2.0)  # reconnect at once after one that worked
            self._acknowledged.clear()
            self.notify(list(self._viewers), Signal.DOWN)
            await asyncio.sleep(pause_s)

    async def _read(self) -> None:
        """Use one connection until it fails; raises an ExceptionGroup."""
        async with contextlib.AsyncExitStack() as stack, asyncio.TaskGroup() as tasks:
            pubsub = self.client.pubsub()
            stack.push_async_callback(_close, pubsub)
            await pubsub.subscribe(keyspace.CONTROL)  # get_message needs a subscription even without viewers
            tasks.create_task(self._keep_subscribed(pubsub))
            while True:
                message = await pubsub.get_message(ignore_subscribe_messages=False, timeout=5)
                cancellation.raise_lost()
                if message is not None:
                    self._hand_out(message)

    async def _keep_subscribed(self, pubsub: redis.asyncio.client.PubSub) -> None:
        """Subscribe to exactly the channels that viewers need, while the connection lasts."""
        subscribed: set[str] = set()
        while True:
            self._needs_changed.clear()
            needed = set(self._viewers)
            if new := needed - subscribed:
                await pubsub.subscribe(*map(keyspace.live, new))
            if unused := subscribed - needed:
                await pubsub.unsubscribe(*map(keyspace.live, unused))
            subscribed = needed
            cancellation.raise_lost()
            await self._needs_changed.wait()

    def _hand_out(self, message: dict[str, Any]) -> None:
        channel = str(message["channel"], "ascii") if isinstance(message["channel"], bytes) else str(message["channel"])
        watched_id = channel.rpartition(":")[2]
        if message["type"] == "subscribe":
            self._acknowledged.add(watched_id)
            self.notify([watched_id], Signal.GAP)  # a replay brings what was written before
        elif message["type"] == "unsubscribe":
            self._acknowledged.discard(watched_id)
        elif message["type"] == "message" and watched_id in self._viewers:
            try:
                event = Event.loads(message["data"])
            except (ValueError, TypeError, KeyError):
                logger.warning("hub.unreadable", id=watched_id)
                return
            for viewer in self._viewers[watched_id]:
                viewer.offer(event)


async def _close(pubsub: redis.asyncio.client.PubSub) -> None:
    with contextlib.suppress(redis.RedisError, OSError):
        await pubsub.aclose()  # type: ignore[no-untyped-call]
