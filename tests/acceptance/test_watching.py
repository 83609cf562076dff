"""Watching a run: many viewers, coming back, what is gone, and waiting by long poll."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.acceptance.system import System, answer_of
from tests.patience import Patience

SLOW = {"words": 40, "pause": 0.05}


@pytest.fixture
def client(system: System) -> Iterator[httpx.Client]:
    with system.client() as made:
        yield made


def test_fifty_viewers_see_the_same_and_one_that_never_reads_holds_nobody_up(system: System) -> None:
    accepted = system.ask("a story", {"words": 60, "pause": 0.03})
    path = f"/api/runs/{accepted['run']['id']}/events"
    lazy = socket.create_connection(("127.0.0.1", system.port))
    lazy.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {system.token}\r\n\r\n".encode())

    async def view(client: httpx.AsyncClient) -> str:
        async with client.stream("GET", path) as response:
            return "".join([line + "\n" async for line in response.aiter_lines()])

    async def all_views() -> list[str]:
        limits = httpx.Limits(max_connections=60)
        headers = {"Authorization": f"Bearer {system.token}"}
        async with httpx.AsyncClient(base_url=system.url, headers=headers, limits=limits, timeout=30) as client:
            return await asyncio.gather(*(view(client) for _ in range(50)))

    views = asyncio.run(all_views())
    lazy.close()
    assert len(set(views)) == 1
    assert views[0].count("event: run.succeeded") == 1


def test_a_viewer_who_comes_back_gets_the_rest_and_then_nothing(system: System) -> None:
    accepted = system.ask("a story", {"words": 40, "pause": 0.03})
    run_id = accepted["run"]["id"]
    first = []
    for event in system.events(run_id):
        first.append(event)
        if len(first) == 5:
            break
    rest = list(system.events(run_id, after=first[-1].id))
    assert not {e.id for e in first} & {e.id for e in rest}
    assert answer_of(first + rest) == " ".join(f"w{n}" for n in range(40))
    assert list(system.events(run_id, after=rest[-1].id)) == []


def test_after_a_stream_has_expired_the_row_shows_the_end(system: System) -> None:
    run_id = system.ask("hello", {})["run"]["id"]
    system.ended(run_id)
    system.redis().delete(f"aiops:events:{run_id}")
    replayed = list(system.events(run_id))
    assert [e.event for e in replayed] == ["message.completed", "run.succeeded"]
    assert list(system.events(run_id, after=replayed[-1].id)) == []


def test_a_subscriber_whose_cursor_is_gone_begins_again(system: System) -> None:
    run_id = system.ask("a story", {"words": 60, "pause": 0.03})["run"]["id"]
    system.until(run_id, "message.delta")
    system.redis().xtrim(f"aiops:events:{run_id}", maxlen=1, approximate=False)
    assert next(system.events(run_id, after="0-1")).event == "resync"
    system.ended(run_id)


def test_an_answer_larger_than_an_event_is_linked(system: System) -> None:
    run_id = system.ask("much", {"words": 60, "longer": 1_200})["run"]["id"]
    for params in ({}, {"render": "html"}):
        events = list(system.events(run_id, **params))
        assert max(len(e.data.encode()) for e in events) <= 64_000
        done = next(e.json() for e in events if e.event == "message.completed")
        assert done["link"] == f"/api/runs/{run_id}/"
    answer = system.run(run_id)["answer"]
    assert len(answer) > 64_000
    assert answer.endswith("w59" + "x" * 1_200)
    assert answer_of(list(system.events(run_id))) == answer


def test_browsers_get_sanitised_html(system: System) -> None:
    run_id = system.ask("x", {"words": 3})["run"]["id"]
    done = [e.json() for e in system.events(run_id, render="html") if e.event == "message.completed"]
    assert done[0]["html"] == "<p>w0 w1 w2</p>\n"


def test_a_long_poll_of_a_run_that_is_deleted_ends_with_404(system: System, client: httpx.Client) -> None:
    accepted = system.ask("a story", {"words": 200, "pause": 0.05})
    with ThreadPoolExecutor(1) as other:
        waiting = other.submit(system.run, accepted["run"]["id"], wait=20)
        system.until(accepted["run"]["id"], "message.delta")
        assert client.delete(f"/api/conversations/{accepted['conversation']}/").status_code == 204
        assert (waiting.result()["status"], waiting.result()["code"]) == (404, "not_found")


def test_a_long_poll_answers_at_the_end_or_when_its_time_is_up(system: System) -> None:
    run_id = system.ask("a story", {"words": 60, "pause": 0.05})["run"]["id"]
    begun, short, long = time.monotonic(), Patience(2.5), Patience(10)
    assert system.run(run_id, wait=1)["state"] == "running"
    assert time.monotonic() - begun > 0.9
    assert not short.is_over()
    run = system.run(run_id, wait=20)
    assert run["state"] == "succeeded"
    assert not long.is_over()
