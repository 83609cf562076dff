"""From the worker's writer to a viewer: in order, each once, whatever Redis does.

More than 250 lines: writer, stream and hub share their fixtures.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import redis.asyncio
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from aiops import keyspace, settings
from aiops.events import stream, types
from aiops.events.hub import Hub, Signal
from aiops.events.redaction import MASK, Redactor
from aiops.events.types import Event, EventId
from aiops.events.writer import EventWriter

RUN = "0190-run"


def client() -> redis.asyncio.Redis:
    return keyspace.async_client(settings.current().redis_url.get_secret_value())


@pytest.fixture
async def connection() -> AsyncIterator[redis.asyncio.Redis]:
    made = client()
    yield made
    await made.aclose()


@pytest.fixture
async def hub() -> AsyncIterator[Hub]:
    made = Hub(client())
    made.start()
    yield made
    await made.stop()


def writer(connection: redis.asyncio.Redis, fence: int = 1) -> EventWriter:
    redactor = Redactor(values=["canary-secret-value"])
    return EventWriter(connection, RUN, fence=fence, message_id="m", redactor=redactor, ttl_s=60)


async def eventually(look: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(10):
        while not await look():
            await asyncio.sleep(0.01)


async def subscribed(connection: redis.asyncio.Redis, channel: str) -> bool:
    return bool((await connection.pubsub_numsub(channel))[0][1])


async def stored(connection: redis.asyncio.Redis, after: EventId = types.START) -> list[Event]:
    return (await stream.replay(connection, RUN, after))[0]


async def test_deltas_are_coalesced_and_nothing_is_lost(
    connection: redis.asyncio.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aiops.events.writer.COALESCE_S", 60.0)
    events = writer(connection)
    for n in range(100):
        await events.say(f"w{n} ")
    await events.close()
    seen = await stored(connection)
    assert len(seen) == 2
    assert "".join(e.data["text"] for e in seen) == "".join(f"w{n} " for n in range(100))


async def test_text_that_waited_is_sent_after_the_pause_though_nothing_more_is_said(
    connection: redis.asyncio.Redis,
) -> None:
    events = writer(connection)
    await events.say("first ")
    await events.say("second ")
    await events.say("third ")

    async def all_sent() -> bool:
        return "".join(e.data["text"] for e in await stored(connection)) == "first second third "

    await eventually(all_sent)


async def test_the_first_words_of_an_answer_are_sent_at_once(connection: redis.asyncio.Redis) -> None:
    events = writer(connection)
    await events.say("first ")
    assert [e.data["text"] for e in await stored(connection)] == ["first "]


async def test_a_secret_in_pieces_is_not_shown_and_not_kept(connection: redis.asyncio.Redis) -> None:
    events = writer(connection)
    for piece in ("it is cana", "ry-secret-", "value, see"):
        await events.say(piece)
    await events.close()
    assert events.said == f"it is {MASK}, see"
    assert "".join(e.data["text"] for e in await stored(connection)) == events.said


async def test_an_older_claim_can_write_no_more(connection: redis.asyncio.Redis) -> None:
    old, new = writer(connection, 1), writer(connection, 2)
    await old.emit(types.STARTED)
    await new.emit(types.STARTED)
    await old.emit(types.NOTICE, code="x", text="late")
    assert old.outdated
    assert [str(e.id) for e in await stored(connection)] == ["1-1", "2-1"]


async def test_a_long_text_is_cut_into_events_of_bounded_size(connection: redis.asyncio.Redis) -> None:
    events = writer(connection)
    await events.say("é" * 100_000)
    await events.close()
    seen = await stored(connection)
    assert max(len(e.dumps().encode()) for e in seen) < types.MAX_BYTES
    assert sum(len(e.data["text"]) for e in seen) == 100_000


async def test_a_cursor_that_is_gone_is_noticed(connection: redis.asyncio.Redis) -> None:
    events = writer(connection)
    for _ in range(3):
        await events.emit(types.NOTICE, code="x", text="y")
    await connection.xtrim(keyspace.events(RUN), maxlen=1, approximate=False)
    replayed, gap = await stream.replay(connection, RUN, EventId(1, 1))
    assert gap
    assert [e.id.seq for e in replayed] == [3]


async def test_without_redis_the_run_goes_on_and_the_loss_is_counted() -> None:
    dead = redis.asyncio.Redis(port=1, retry=Retry(NoBackoff(), 0))
    events = writer(dead)
    await events.say("hello ")
    await events.emit(types.STARTED)
    assert events.said == "hello "
    assert events.lost == 2
    await dead.aclose()


async def test_after_a_loss_the_stream_holds_all_that_was_said(
    connection: redis.asyncio.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aiops.events.writer.DOWN_S", 0.0)
    events = writer(connection)
    await events.say("one ")
    dead = redis.asyncio.Redis(port=1, retry=Retry(NoBackoff(), 0))
    events._client = dead
    await events.say("two ")
    await events.flush()
    assert events.lost == 1
    events._client = connection
    await events.say("three")
    await events.flush()
    await events.emit(types.SUCCEEDED)
    seen = await stored(connection)
    assert [e.type for e in seen] == [types.DELTA, types.RESET, types.DELTA, types.SUCCEEDED]
    assert seen[2].data["text"] == "one two three"
    await dead.aclose()


async def test_an_unreadable_message_disturbs_no_viewer(connection: redis.asyncio.Redis, hub: Hub) -> None:
    async with hub.watch(RUN) as viewer:
        assert await viewer.next(5) is Signal.GAP
        await connection.publish(keyspace.live(RUN), "not ours")
        await writer(connection).emit(types.STARTED)
        assert isinstance(await viewer.next(5), Event)


async def test_a_viewer_gets_what_was_before_and_what_comes_each_once(
    connection: redis.asyncio.Redis, hub: Hub
) -> None:
    events = writer(connection)
    await events.emit(types.STARTED)
    async with hub.watch(RUN) as viewer:
        assert await viewer.next(5) is Signal.GAP
        await events.emit(types.NOTICE, code="x", text="live")
        item = await viewer.next(5)
        assert isinstance(item, Event)
        assert item.id.seq == 2


async def test_one_subscription_serves_all_subscribers_and_ends_with_the_last(
    connection: redis.asyncio.Redis, hub: Hub
) -> None:
    async with contextlib.AsyncExitStack() as stack:
        viewers = [await stack.enter_async_context(hub.watch(RUN)) for _ in range(50)]
        assert [await viewer.next(5) for viewer in viewers] == [Signal.GAP] * 50
        await writer(connection).emit(types.STARTED)
        assert all([isinstance(await viewer.next(5), Event) for viewer in viewers])
        assert (await connection.pubsub_numsub(keyspace.live(RUN)))[0][1] == 1
    assert hub.watched == []


async def test_a_subscriber_that_never_reads_is_dismissed_and_delays_no_other(
    connection: redis.asyncio.Redis, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aiops.events.hub.MOST_WAITING", 10)
    events = writer(connection)
    async with hub.watch(RUN) as lazy, hub.watch(RUN) as eager:
        await eager.next(5)
        for _ in range(30):
            await events.emit(types.NOTICE, code="x", text="y")
            assert isinstance(await eager.next(5), Event)
        assert await lazy.next(5) is Signal.OVERFLOW


async def test_subscribers_replay_after_a_lost_connection(connection: redis.asyncio.Redis, hub: Hub) -> None:
    async with hub.watch(RUN) as viewer:
        assert await viewer.next(5) is Signal.GAP
        await connection.client_kill_filter(_type="pubsub")
        seen = [await viewer.next(5)]
        if seen == [Signal.DOWN]:  # the client itself may reconnect before anybody notices
            seen.append(await viewer.next(5))
        assert seen[-1] is Signal.GAP
        await asyncio.sleep(0)
        await writer(connection).emit(types.STARTED)
        assert isinstance(await viewer.next(5), Event)


class SlowToSubscribe:
    """A Redis client whose SUBSCRIBE commands wait until they are let through."""

    def __init__(self, client: redis.asyncio.Redis) -> None:
        self._client = client
        self.asked, self.let_through = asyncio.Event(), asyncio.Event()

    def pubsub(self) -> redis.asyncio.client.PubSub:
        made = self._client.pubsub()
        subscribe = made.subscribe

        async def slow(*channels: str) -> None:
            if keyspace.live(RUN) in channels:
                self.asked.set()
                await self.let_through.wait()
            await subscribe(*channels)

        made.subscribe = slow
        return made

    async def aclose(self) -> None:
        await self._client.aclose()


async def test_viewers_get_live_events_when_the_first_leaves_while_its_subscription_is_under_way(
    connection: redis.asyncio.Redis,
) -> None:
    slow = SlowToSubscribe(client())
    hub = Hub(slow)  # type: ignore[arg-type]
    hub.start()

    async def look_in() -> None:
        async with hub.watch(RUN) as viewer:
            await viewer.next(60)

    try:
        await eventually(lambda: subscribed(connection, keyspace.CONTROL))
        first = asyncio.create_task(look_in())
        await asyncio.wait_for(slow.asked.wait(), 5)
        async with contextlib.AsyncExitStack() as stack:
            second = asyncio.create_task(stack.enter_async_context(hub.watch(RUN)))
            await asyncio.sleep(0)
            first.cancel()
            await asyncio.wait([first])
            slow.let_through.set()
            viewer = await second
            assert await viewer.next(5) is Signal.GAP
            await writer(connection).emit(types.STARTED)
            assert isinstance(await viewer.next(5), Event)
    finally:
        await hub.stop()
