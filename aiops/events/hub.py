"""One Redis subscriber for a web process, handed out in memory to every viewer, each behind a bounded queue."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Container, Hashable, Iterable
from enum import Enum
from typing import Any

import redis
import redis.asyncio

from aiops import keyspace, log
from aiops.events.types import Event

MOST_WAITING = 2_000
"""Events that may wait for one viewer; one that falls further behind is closed and comes back by its last id."""
ACK_TIMEOUT_S = 5.0

logger = log.get(__name__)


class Signal(Enum):
    """What a viewer is told besides events."""

    GAP = "events may have been missed: replay"
    DOWN = "Redis does not answer: look at the row"
    ENDED = "the row has ended: replay, then believe the row"
    DISMISSED = "what let the viewer in has ended: close it"
    OVERFLOW = "the viewer reads too slowly: close it"


Item = Event | Signal


class Viewer:
    """One watcher of one run, and what let it in (such as a session)."""

    def __init__(self, run_id: str, let_in: Hashable = None) -> None:
        self.run_id = run_id
        self.let_in = let_in
        self._items: asyncio.Queue[Item] = asyncio.Queue(MOST_WAITING)
        self._overflown = False

    def offer(self, item: Item) -> None:
        """Add an item; a full queue marks the viewer as too slow."""
        try:
            self._items.put_nowait(item)
        except asyncio.QueueFull:
            self._overflown = True

    def drain(self) -> None:
        """Drop what waits: for a viewer who looks at a row instead."""
        while not self._items.empty():
            self._items.get_nowait()
        self._overflown = False

    async def next(self, timeout_s: float) -> Item | None:
        """Return the next item, or None after so long."""
        if self._overflown:
            return Signal.OVERFLOW
        try:
            return await asyncio.wait_for(self._items.get(), timeout_s)
        except TimeoutError:
            return None


class Hub:
    """Fans live events out; survives Redis going away and tells every viewer to replay when it is back."""

    def __init__(self, client: redis.asyncio.Redis) -> None:
        self.client = client
        self._viewers: dict[str, set[Viewer]] = {}
        self._acks: dict[str, asyncio.Event] = {}
        self._pubsub: redis.asyncio.client.PubSub | None = None
        self._reader: asyncio.Task[None] | None = None
        self._subscribing = asyncio.Lock()

    def start(self) -> None:
        """Begin to read; needs a running loop."""
        self._reader = asyncio.create_task(self._read_for_ever())

    async def stop(self) -> None:
        """Stop reading and close the connections."""
        if self._reader is not None:
            self._reader.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._reader
        await self.client.aclose()

    @property
    def watched(self) -> list[str]:
        """Ids of the runs that somebody watches."""
        return list(self._viewers)

    @property
    def viewers(self) -> int:
        """How many watch something."""
        return sum(map(len, self._viewers.values()))

    def nudge(self, run_ids: Iterable[str], signal: Signal) -> None:
        """Tell the viewers of these runs something that Redis did not."""
        for run_id in run_ids:
            for viewer in self._viewers.get(run_id, ()):
                viewer.offer(signal)

    @property
    def let_in(self) -> set[Any]:
        """What let the viewers in, without those that came with nothing."""
        return {v.let_in for viewers in self._viewers.values() for v in viewers} - {None}

    def dismiss(self, ended: Container[Hashable]) -> None:
        """Close the viewers that came with something that has ended."""
        for viewers in self._viewers.values():
            for viewer in viewers:
                if viewer.let_in in ended:
                    viewer.offer(Signal.DISMISSED)

    @contextlib.asynccontextmanager
    async def watch(self, run_id: str, let_in: Hashable = None) -> AsyncIterator[Viewer]:
        """Subscribe, wait for Redis's acknowledgement, and yield a viewer that misses nothing from then on.

        Its first item is a signal: GAP (replay what was before) or DOWN.
        """
        viewer = Viewer(run_id, let_in)
        self._viewers.setdefault(run_id, set()).add(viewer)
        try:
            signal = await self._subscribed(run_id)
            if signal is not None:
                viewer.offer(signal)
            yield viewer
        finally:
            await self._leave(viewer)

    async def _subscribed(self, run_id: str) -> Signal | None:
        """Return what a new viewer is to be told; nothing when the acknowledgement itself has told all viewers."""
        ack = self._acks.get(run_id)
        if ack is not None and ack.is_set():
            return Signal.GAP
        if ack is None:
            ack = self._acks[run_id] = asyncio.Event()
            await self._command("subscribe", run_id)
        try:
            await asyncio.wait_for(ack.wait(), ACK_TIMEOUT_S)
        except TimeoutError:
            return Signal.DOWN
        return None

    async def _leave(self, viewer: Viewer) -> None:
        left = self._viewers.get(viewer.run_id, set())
        left.discard(viewer)
        if not left and viewer.run_id in self._viewers:
            del self._viewers[viewer.run_id]
            self._acks.pop(viewer.run_id, None)
            await self._command("unsubscribe", viewer.run_id)

    async def _command(self, name: str, run_id: str) -> None:
        """Subscribe or unsubscribe; when the connection is down the reader does it again once it is back."""
        async with self._subscribing:
            pubsub = self._pubsub
            if pubsub is None or (name == "unsubscribe" and run_id in self._viewers):
                return
            with contextlib.suppress(redis.RedisError, OSError):
                await getattr(pubsub, name)(keyspace.live(run_id))

    async def _read_for_ever(self) -> None:
        pause_s = 0.1
        while True:
            try:
                await self._read()
                pause_s = 0.1
            except (redis.RedisError, OSError) as error:
                logger.warning("hub.disconnected", error=str(error))
            except Exception:  # whatever it is, every viewer of this process depends on this reader
                logger.exception("hub.broke")
            finally:
                self._pubsub = None
            for ack in self._acks.values():
                ack.clear()
            self.nudge(self.watched, Signal.DOWN)
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, 2.0)

    async def _read(self) -> None:
        """Read one connection until it breaks."""
        pubsub = self.client.pubsub()
        try:
            await pubsub.subscribe(keyspace.CONTROL)
            async with self._subscribing:
                if self._viewers:
                    await pubsub.subscribe(*(keyspace.live(run_id) for run_id in self._viewers))
                self._pubsub = pubsub
            while True:
                message = await pubsub.get_message(ignore_subscribe_messages=False, timeout=5)
                if message is not None:
                    self._hand_out(message)
        finally:
            with contextlib.suppress(redis.RedisError, OSError):
                await pubsub.aclose()  # type: ignore[no-untyped-call]

    def _hand_out(self, message: dict[str, Any]) -> None:
        channel = str(message["channel"], "ascii") if isinstance(message["channel"], bytes) else str(message["channel"])
        run_id = channel.rpartition(":")[2]
        if message["type"] == "subscribe":
            self.nudge([run_id], Signal.GAP)  # what was written until now comes by replay
            if run_id in self._acks:
                self._acks[run_id].set()
        elif message["type"] == "message" and run_id in self._viewers:
            try:
                event = Event.loads(message["data"])
            except (ValueError, TypeError, KeyError):
                logger.warning("hub.unreadable", run=run_id)
                return
            for viewer in self._viewers[run_id]:
                viewer.offer(event)
