"""Our saver does all that a saver must, in a constant number of round trips, and its threads expire."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import redis.asyncio
from langgraph.checkpoint.conformance import checkpointer_test, validate
from langgraph.checkpoint.conformance.test_utils import generate_checkpoint, generate_config, generate_metadata

from aiops import keyspace, settings
from aiops.agent.memory.process import ProcessSaver
from aiops.agent.memory.redis import AWAY, RedisSaver
from aiops.agent.memory.run import RunMemory


def client() -> redis.asyncio.Redis:
    return keyspace.async_client(settings.current().redis_url.get_secret_value())


def saver_over(connection: redis.asyncio.Redis, ttl_s: int = 100) -> RedisSaver:
    return RedisSaver(connection, key=keyspace.memory, pattern=keyspace.MEMORY_PATTERN, ttl_s=ttl_s)


async def test_memory_in_the_process_passes_too_and_keeps_only_the_latest() -> None:
    @checkpointer_test(name="ProcessSaver")
    async def factory() -> AsyncIterator[ProcessSaver]:
        yield ProcessSaver()

    assert (await validate(factory)).passed_all_base()
    saver = ProcessSaver()
    config: Any = generate_config("t")
    for n in range(5):
        checkpoint = generate_checkpoint(channel_values={"a": n}, channel_versions={"a": n + 1})
        config = await saver.aput(config, checkpoint, generate_metadata(), {"a": n + 1})
    await saver.aprune(["t"])
    assert [c.checkpoint["channel_values"] async for c in saver.alist(generate_config("t"))] == [{"a": 4}]
    assert len(saver.blobs) == 1


async def test_every_base_test_of_the_conformance_suite_passes() -> None:
    @checkpointer_test(name="RedisSaver")
    async def factory() -> AsyncIterator[RedisSaver]:
        connection = client()
        await connection.flushdb()
        yield saver_over(connection)
        await connection.aclose()

    report = await validate(factory)
    assert report.passed_all_base(), report.to_dict()


@pytest.fixture
async def connection() -> AsyncIterator[redis.asyncio.Redis]:
    made = client()
    yield made
    await made.aclose()


async def put(saver: RedisSaver, config: Any, **values: Any) -> Any:
    versions = {name: n for n, name in enumerate(values, 1)}
    checkpoint = generate_checkpoint(channel_values=values, channel_versions=versions)
    return await saver.aput(config, checkpoint, generate_metadata(), versions)


async def test_storing_a_checkpoint_is_one_round_trip_however_much_it_holds(
    connection: redis.asyncio.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    trips = 0
    execute = redis.asyncio.client.Pipeline.execute

    async def counted(self: Any, *args: Any, **kwargs: Any) -> Any:
        nonlocal trips
        trips += 1
        return await execute(self, *args, **kwargs)

    monkeypatch.setattr(redis.asyncio.client.Pipeline, "execute", counted)
    saver = saver_over(connection)
    config = await put(saver, generate_config("t"), **{f"c{n}": "x" * 100 for n in range(50)})
    assert trips == 1
    await saver.aput_writes(config, [(f"c{n}", n) for n in range(50)], "task")
    assert trips == 2


async def test_reading_memory_renews_its_life(connection: redis.asyncio.Redis) -> None:
    await put(saver_over(connection, ttl_s=50), generate_config("t"), a=1)
    assert await connection.ttl(keyspace.memory("t")) <= 50
    assert await saver_over(connection, ttl_s=500).aget_tuple(generate_config("t"))
    assert await connection.ttl(keyspace.memory("t")) > 400


async def test_only_the_latest_checkpoint_of_a_conversation_is_kept(connection: redis.asyncio.Redis) -> None:
    saver = saver_over(connection)
    config: Any = generate_config("t")
    for n in range(12):
        checkpoint = generate_checkpoint(channel_values={"a": n, "b": "same"}, channel_versions={"a": n + 1, "b": 1})
        config = await saver.aput(config, checkpoint, generate_metadata(), {"a": n + 1, **({"b": 1} if n == 0 else {})})
        await saver.aput_writes(config, [("a", n)], f"task-{n}")
    await saver.aprune(["t"])
    found = await saver.aget_tuple(generate_config("t"))
    assert found is not None
    assert found.checkpoint["channel_values"] == {"a": 11, "b": "same"}
    assert len([c async for c in saver.alist(generate_config("t"))]) == 1
    assert await connection.hlen(keyspace.memory("t")) == 4


class Leaving(ProcessSaver):
    """A saver whose server goes away after so many writes."""

    def __init__(self, *, writes: int) -> None:
        super().__init__()
        self.left = writes

    async def aput(self, *args: Any, **kwargs: Any) -> Any:
        self.left -= 1
        if self.left < 0:
            raise redis.ConnectionError("gone")
        return await super().aput(*args, **kwargs)


async def test_a_run_goes_on_when_its_memorys_server_goes_away_and_asks_it_no_more() -> None:
    server = Leaving(writes=1)
    memory = RunMemory(server, away=AWAY, may_write=lambda: True)
    versions: Any = {}
    first = await memory.aput(generate_config("t"), generate_checkpoint(), generate_metadata(), versions)
    assert not memory.lost
    checkpoint = generate_checkpoint()
    second = await memory.aput(first, checkpoint, generate_metadata(), versions)
    assert memory.lost
    assert second["configurable"]["checkpoint_id"] == checkpoint["id"]
    await memory.aput(second, generate_checkpoint(), generate_metadata(), versions)
    await memory.aprune(["t"])
    assert server.left == -1
    assert len([c async for c in server.alist(generate_config("t"))]) == 1


async def test_a_run_reads_its_memory_once(connection: redis.asyncio.Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    saver = saver_over(connection)
    await put(saver, generate_config("t"), a=1)
    memory = RunMemory(saver, away=AWAY, may_write=lambda: True)
    first = await memory.aget_tuple(generate_config("t"))
    await connection.flushdb()
    assert await memory.aget_tuple(generate_config("t")) is first


async def test_a_run_that_another_worker_has_writes_no_memory() -> None:
    server, ours = Leaving(writes=9), [True]
    memory = RunMemory(server, away=AWAY, may_write=lambda: ours[0])
    config = await memory.aput(generate_config("t"), generate_checkpoint(), generate_metadata(), {})
    ours[0] = False
    await memory.aput(config, generate_checkpoint(), generate_metadata(), {})
    await memory.aput_writes(config, [("a", 1)], "task")
    assert not memory.lost
    assert [c.pending_writes async for c in server.alist(generate_config("t"))] == [[]]
