"""Connections of one address over several web processes, each of which here is one counter."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import redis.asyncio

from aiops import keyspace
from aiops.web.doors import clients
from aiops.web.doors.clients import Clients
from tests.servers.redis import Redis

MOST = 5
HERE = "203.0.113.7"


class Transport(asyncio.Transport):
    """A connection that can only be aborted."""

    def __init__(self, process: Clients, address: str = HERE) -> None:
        super().__init__()
        self._process, self._address = process, address
        self.is_open = process.add(address, self)
        if not self.is_open:
            process.remove(address)

    def abort(self) -> None:
        assert self.is_open
        self.is_open = False
        self._process.remove(self._address)

    close = abort


@pytest.fixture
async def client() -> AsyncIterator[redis.asyncio.Redis]:
    made = keyspace.async_client(keyspace.settings.current().redis_url.get_secret_value())
    yield made
    await made.aclose()


@pytest.fixture(autouse=True)
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clients, "PAUSE_S", 0.01)
    monkeypatch.setattr(clients, "REFRESH_S", 0.05)


@pytest.fixture
async def start(client: redis.asyncio.Redis) -> AsyncIterator[object]:
    tasks: dict[str, asyncio.Task[None]] = {}

    def begin(name: str, using: redis.asyncio.Redis = client) -> tuple[Clients, asyncio.Task[None]]:
        made = Clients(most=MOST)
        tasks[name] = asyncio.create_task(made.share(using, f"host:{name}:web"))
        return made, tasks[name]

    yield begin
    assert [name for name, task in tasks.items() if task.done() and not task.cancelled()] == []
    for task in tasks.values():
        task.cancel()
    await asyncio.gather(*tasks.values(), return_exceptions=True)  # before their connections are closed


async def until(look: object) -> None:
    async with asyncio.timeout(30):
        while not look():  # type: ignore[operator]
            await asyncio.sleep(0.01)


def in_redis(server: redis.Redis | None = None) -> int:
    """Return how many connections of HERE are reported."""
    fields = (server or keyspace.sync()).hvals(keyspace.connections(HERE))
    return sum(int(count.split()[0]) for count in fields)


def still_open(transports: list[Transport]) -> int:
    return sum(transport.is_open for transport in transports)


async def test_the_newest_beyond_the_limit_of_all_processes_are_closed(start) -> None:
    (one, _), (two, _) = start("1"), start("2")
    first = [Transport(one) for _ in range(4)]
    await until(lambda: in_redis() == 4)
    second = [Transport(two) for _ in range(3)]
    elsewhere = Transport(two, "203.0.113.8")
    await until(lambda: still_open(second) == 1 and in_redis() == MOST)
    assert [transport.is_open for transport in second] == [True, False, False]
    assert still_open(first) == 4
    assert elsewhere.is_open
    assert (len(one), len(two)) == (4, 2)


async def test_the_reports_end_also_when_redis_swallows_their_cancellation() -> None:
    called = asyncio.Event()

    class Deaf:
        def register_script(self, text: str) -> object:
            async def script(keys: list[str], args: list[object]) -> list[int]:
                called.set()
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.sleep(30)
                return [0 for _ in keys]

            return script

    process = Clients(most=MOST)
    Transport(process)
    reports = asyncio.create_task(process.share(Deaf(), "host:1:web"))  # type: ignore[arg-type]
    await called.wait()
    reports.cancel()
    await asyncio.wait([reports], timeout=10)
    assert reports.cancelled()


async def test_a_process_refuses_at_once_what_is_too_much_for_it_alone(start) -> None:
    one, _ = start("1")
    assert still_open([Transport(one) for _ in range(MOST + 3)]) == MOST


async def test_a_place_that_is_free_again_is_free_everywhere(start) -> None:
    (one, _), (two, _) = start("1"), start("2")
    first = [Transport(one) for _ in range(MOST)]
    await until(lambda: in_redis() == MOST)
    refused = Transport(two)
    await until(lambda: not refused.is_open)
    first[0].abort()
    await until(lambda: in_redis() == MOST - 1)
    kept = Transport(two)
    await until(lambda: in_redis() == MOST)
    assert kept.is_open
    for transport in first[1:]:
        transport.abort()
    kept.abort()
    await until(lambda: not keyspace.sync().exists(keyspace.connections(HERE)))


async def test_counts_of_a_killed_process_end_and_those_of_a_living_one_do_not(
    start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clients, "EXPIRY_S", 2)
    (one, killed), (two, _) = start("1"), start("2")
    first, second = [Transport(one) for _ in range(3)], [Transport(two) for _ in range(2)]
    await until(lambda: in_redis() == MOST)
    killed.cancel()
    await until(lambda: in_redis() == 2)
    assert still_open(second) == 2
    more = [Transport(two) for _ in range(3)]
    await until(lambda: in_redis() == MOST)
    assert still_open(more) == still_open(first) == 3


async def test_without_redis_each_process_counts_for_itself_and_reports_later(start, tmp_path: Path) -> None:
    server = Redis(tmp_path)
    to_server, seen = keyspace.async_client(server.url, retries=0), server.client()
    (one, ours), (two, theirs) = start("1", to_server), start("2", to_server)
    first, second = [Transport(one) for _ in range(MOST + 1)], [Transport(two) for _ in range(MOST)]
    await asyncio.sleep(0.2)  # several attempts
    assert (still_open(first), still_open(second)) == (MOST, MOST)
    try:
        await asyncio.to_thread(server.start)
        await until(lambda: in_redis(seen) == 2 * MOST)
        assert (still_open(first), still_open(second)) == (MOST, MOST)
        first[0].abort()
        await until(lambda: in_redis(seen) == 2 * MOST - 1)
        late = Transport(one)
        await until(lambda: not late.is_open)
        ours.cancel()
        theirs.cancel()
        await asyncio.gather(ours, theirs, return_exceptions=True)
    finally:
        await to_server.aclose()
        seen.close()
        await asyncio.to_thread(server.end)
