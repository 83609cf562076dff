"""The doors beside Django: what they ask the database for, and that who was signed out gets nothing more."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import redis
import redis.asyncio
from starlette.applications import Starlette
from starlette.testclient import TestClient

from aiops import keyspace, settings
from aiops.batches import streams as batches
from aiops.batches.models import Batch, Item
from aiops.events import stream, types
from aiops.events.hub import Hub, Kind, Signal
from aiops.people import tokens
from aiops.people.models import User
from aiops.runs.models import Run
from aiops.runs.states import State
from aiops.web.doors import front, guard, viewing
from aiops.web.doors.shared import SharedQuery
from aiops.web.identity import Pass
from tests.integration.conftest import Ask

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
async def hub() -> AsyncIterator[Hub]:
    made = Hub(keyspace.async_client(settings.current().redis_url.get_secret_value()))
    made.start()
    yield made
    await made.stop()


@pytest.fixture
def token(user: User) -> str:
    return tokens.issue(user, name="test")[1]


@pytest.fixture
def web(token: str) -> Iterator[TestClient]:
    """The web process without Django."""

    async def no_django(scope: Any, receive: Any, send: Any) -> None:
        raise AssertionError("this door is not Django's")

    with TestClient(front.make(no_django), base_url="http://127.0.0.1") as client:
        client.headers["Authorization"] = f"Bearer {token}"
        yield client


def batch_of(user: User, items: int = 0) -> Batch:
    batch = Batch.objects.create(
        user=user, state=Batch.State.IN_PROGRESS, total=items, max_concurrency=1, completion_window_s=60
    )
    rows = [Item(batch=batch, number=n + 1, state=Item.State.FAILED, custom_id=str(n)) for n in range(items)]
    Item.objects.bulk_create(rows)
    return batch


async def test_a_watched_batch_is_not_mistaken_for_a_run_that_ended(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(front, "RECONCILE_S", 0.01)
    run, batch = "0197b3c0-0000-7000-8000-000000000001", "0197b3c0-0000-7000-8000-000000000002"
    async with hub.watch(run) as of_run, hub.watch(batch, kind=Kind.BATCH) as of_batch:
        looking = asyncio.create_task(front._reconcile(hub))
        try:
            while await of_run.next(10) is not Signal.ENDED:
                pass
            assert [await of_batch.next(0.1) for _ in range(2)] == [Signal.GAP, None]
        finally:
            looking.cancel()


async def test_one_query_serves_everybody_who_watches_a_batch(
    hub: Hub, user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = await guard.in_thread(batch_of, user, 3)
    looks: list[object] = []
    look = batches._read_progress
    monkeypatch.setattr(batches, "_read_progress", lambda key: looks.append(key) or look(key))
    shared = batches._shared_rows(Starlette())
    streams = [batches._progress(hub, shared, batch.pk, Pass(user.pk)) for _ in range(50)]
    first = await asyncio.gather(*(anext(stream) for stream in streams))
    assert {event.event for event in first} == {"batch.progress"}
    await guard.in_thread(lambda: Batch.objects.update(succeeded=1))
    await guard.in_thread(stream.publish_changed, [str(batch.pk)])
    second = await asyncio.wait_for(asyncio.gather(*(anext(stream) for stream in streams)), 20)
    assert all('"succeeded":1' in str(event.data) for event in second)
    assert len(looks) < 20
    for one in streams:
        await one.aclose()


async def test_a_shared_result_is_never_older_than_it_may_be() -> None:
    count = 0

    def look(key: str) -> int:
        nonlocal count
        count += 1
        return count

    shared = SharedQuery(look, every_s=0.0)
    now = asyncio.get_running_loop().time
    assert await asyncio.gather(*(shared.get("x", since=0) for _ in range(100))) == [1] * 100
    assert await shared.get("x", since=0) == 1
    assert await shared.get("x", since=now()) == 2


async def test_a_failing_shared_query_raises_for_all_who_wait_and_is_retried() -> None:
    failing = True

    def look(key: str) -> str:
        if failing:
            raise ValueError(key)
        return key

    shared = SharedQuery(look, every_s=0.0)
    results = await asyncio.gather(*(shared.get("x", since=0) for _ in range(3)), return_exceptions=True)
    assert [type(one) for one in results] == [ValueError] * 3
    failing = False
    assert await shared.get("x", since=0) == "x"


def test_a_long_poll_of_a_locked_user_ends_without_the_answer(
    web: TestClient, ask: Ask, user: User, sent: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(front, "RECONCILE_S", 0.05)
    run = ask()
    with ThreadPoolExecutor(1) as other:
        waiting = other.submit(web.get, f"/api/runs/{run.pk}/?wait=30")
        hub: Hub = web.app.state.hub  # type: ignore[attr-defined]
        while not web.portal.call(lambda: hub.watched):
            assert not waiting.done(), waiting.result().text
        User.objects.update(is_active=False)
        answer = waiting.result(timeout=20)
    assert (answer.status_code, answer.json()["code"]) == (401, "not_authenticated")


def test_an_answer_that_comes_after_the_lock_is_not_given_to_who_waited_for_it(
    web: TestClient, ask: Ask, user: User, sent: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(front, "RECONCILE_S", 3600)
    run = ask()
    with ThreadPoolExecutor(1) as other:
        waiting = other.submit(web.get, f"/api/runs/{run.pk}/?wait=1")
        hub: Hub = web.app.state.hub  # type: ignore[attr-defined]
        while not web.portal.call(lambda: hub.watched):
            assert not waiting.done(), waiting.result().text
        User.objects.update(is_active=False)
        Run.objects.update(state=State.SUCCEEDED)
        assert waiting.result(timeout=20).status_code == 401


def test_a_long_download_is_cut_when_its_user_is_locked(
    user: User, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = batch_of(user, items=5)
    monkeypatch.setattr(batches, "PAGE", 1)
    path = f"/api/batches/{batch.pk}/errors/"
    headers = [(b"host", b"127.0.0.1"), (b"authorization", f"Bearer {token}".encode())]
    scope = {"type": "http", "method": "GET", "path": path, "raw_path": path.encode(), "query_string": b"",
             "headers": headers, "path_params": {"id": str(batch.pk)}, "client": ("127.0.0.1", 1)}  # fmt: skip
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)
        if message.get("body"):
            await guard.in_thread(lambda: User.objects.update(is_active=False))

    async def download() -> None:
        request = batches.Request(scope)
        response = await batches.errors(request)
        await response(scope, asyncio.Event().wait, send)  # type: ignore[arg-type]

    asyncio.run(download())
    bodies = [message for message in sent if message["type"] == "http.response.body"]
    assert [message["more_body"] for message in bodies] == [True], "an end would make the file look complete"


async def test_while_redis_is_down_viewers_ask_the_database_only_when_the_run_has_ended(
    ask: Ask, sent: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(viewing, "RETRY_S", 0.01)
    run = await guard.in_thread(ask)
    replays, looks = 0, 0

    async def no_redis(*_: object) -> None:
        nonlocal replays
        replays += 1
        raise redis.ConnectionError

    def count() -> None:
        nonlocal looks
        looks += 1

    look = viewing._end
    monkeypatch.setattr(stream, "replay", no_redis)
    monkeypatch.setattr(viewing, "_end", lambda run_id: count() or look(run_id))
    hub = Hub(redis.asyncio.Redis())
    events = viewing.watch(hub, str(run.pk), types.START)
    following = asyncio.create_task(anext(events))
    while not hub.watched:
        await asyncio.sleep(0)
    hub.notify(hub.watched, Signal.DOWN)
    assert (await following).data["code"] == "degraded"
    following = asyncio.create_task(anext(events))
    async with asyncio.timeout(20):
        while replays < 20:
            await asyncio.sleep(0)
    assert looks == 0
    await guard.in_thread(lambda: Run.objects.update(state=State.CANCELLED))
    hub.notify(hub.watched, Signal.ENDED)
    assert (await asyncio.wait_for(following, 20)).type == types.CANCELLED
