"""Processes that ask one model keep its limits together, and a refusal of one slows them all."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from types import SimpleNamespace
from typing import Any

import pytest
import redis.asyncio
from langchain_core.messages import AIMessage, HumanMessage

from aiops import keyspace, settings
from aiops.agent.middleware import model_pacing
from aiops.agent.middleware.model_pacing import ModelPacing
from aiops.errors import RunFailed
from aiops.llm.pacing import Pacer
from aiops.llm.values import ModelSpec, Pace

SPEC = ModelSpec("openai", "m")
MODEL = "openai:m"
Made = Callable[..., Pacer]


@pytest.fixture
async def pacer(empty_redis: None) -> AsyncIterator[Made]:
    clients: list[redis.asyncio.Redis] = []

    def made(*, background: bool = False, **limits: int) -> Pacer:
        clients.append(keyspace.async_client(settings.current().redis_url.get_secret_value()))
        return Pacer(clients[-1], Pace(**limits), background=background, hold_s=60)

    yield made
    for client in clients:
        await client.aclose()


async def test_calls_at_once_are_counted_over_all_processes(pacer: Made) -> None:
    one, two = pacer(concurrency=2), pacer(concurrency=2)
    assert await one.request_turn(MODEL, "a", tokens=0) == 0
    assert await two.request_turn(MODEL, "b", tokens=0) == 0
    assert await one.request_turn(MODEL, "c", tokens=0) > 0
    assert await one.request_turn("openai:other", "d", tokens=0) == 0
    await two.ended(MODEL, "b")
    assert await one.request_turn(MODEL, "c", tokens=0) == 0


async def test_a_call_whose_process_died_makes_room_in_time(pacer: Made) -> None:
    one = pacer(concurrency=1)
    keyspace.sync().zadd(keyspace.in_flight(MODEL), {"dead": 1.0})
    assert await one.request_turn(MODEL, "a", tokens=0) == 0


async def test_requests_of_a_minute_are_spread_after_a_short_burst(pacer: Made) -> None:
    one, two = pacer(requests_per_minute=60), pacer(requests_per_minute=60)
    waits = [await (one, two)[n % 2].request_turn(MODEL, str(n), tokens=0) for n in range(8)]
    assert waits[:6] == [0] * 6
    assert 0.3 < waits[6] <= 1
    assert 0.3 < waits[7] <= 1, "a call that waits takes nothing"


async def test_tokens_of_a_minute_are_kept_and_corrected_by_what_was_used(pacer: Made) -> None:
    one = pacer(tokens_per_minute=6_000)
    assert await one.request_turn(MODEL, "a", tokens=5_000) == 0
    assert 4 < await one.request_turn(MODEL, "b", tokens=1_500) < 5.1
    await one.answered(MODEL, "a", more_tokens=-4_000)
    assert await one.request_turn(MODEL, "b", tokens=1_500) == 0
    assert await one.request_turn(MODEL, "c", tokens=90_000) > 0, "more than a minute's tokens wait for all of them"


async def test_a_batch_lets_a_chat_that_waits_go_first(pacer: Made) -> None:
    batch, chat = pacer(background=True, concurrency=1), pacer(concurrency=1)
    assert await batch.request_turn(MODEL, "a", tokens=0) == 0
    assert await chat.request_turn(MODEL, "b", tokens=0) > 0
    await batch.ended(MODEL, "a")
    assert await batch.request_turn(MODEL, "c", tokens=0) > 0
    assert await chat.request_turn(MODEL, "b", tokens=0) == 0


async def test_a_refusal_halves_what_may_be_under_way_and_stops_all_until_its_time(pacer: Made) -> None:
    one, two = pacer(), pacer()
    assert not one.counts(MODEL)
    one.slow_down(MODEL)
    two.slow_down(MODEL)
    for n in range(8):
        assert await one.request_turn(MODEL, str(n), tokens=0) == 0
    await one.refused(MODEL, "0", retry_after_s=3)
    await one.refused(MODEL, "1", retry_after_s=1)
    assert 2.5 < await two.request_turn(MODEL, "x", tokens=0) <= 3
    state = keyspace.sync().hgetall(keyspace.pace(MODEL))
    assert state[b"window"] == b"4", "refusals of one moment count once"
    await two.answered(MODEL, "2", more_tokens=0)
    state = keyspace.sync().hgetall(keyspace.pace(MODEL))
    assert float(state[b"window"]) == 4.25


async def test_the_first_refusal_is_measured_by_what_was_under_way_uncounted(pacer: Made) -> None:
    one = pacer()

    async def waiting() -> None:
        raise AssertionError

    for _ in range(8):
        assert await one.enter(MODEL, tokens=0, waiting=waiting) == ""
    await one.answered(MODEL, "", more_tokens=0)
    await one.answered(MODEL, "", more_tokens=0)
    await one.refused(MODEL, "", retry_after_s=0)
    assert keyspace.sync().hget(keyspace.pace(MODEL), "window") == b"3"


class TooMany(Exception):
    status_code = 429


async def test_a_refused_model_call_is_retried_and_its_reader_notified_when_it_lasts(
    pacer: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_pacing, "SAID_AFTER_S", 0)
    notices: list[str] = []

    async def notice(code: str, text: str) -> None:
        notices.append(code)

    outcomes: list[Any] = [TooMany(), TooMany(), SimpleNamespace(result=[AIMessage("done")])]

    async def handler(_: Any) -> Any:
        outcome = outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    request = SimpleNamespace(
        messages=[HumanMessage("hi")], runtime=SimpleNamespace(context=SimpleNamespace(notice=notice))
    )
    made = await ModelPacing(SPEC, pacer(), patience_s=30).awrap_model_call(request, handler)
    assert made.result[0].text == "done"
    assert notices == ["model_busy"]


async def test_a_model_call_that_waits_too_long_fails_with_its_limit(pacer: Made) -> None:
    chat = pacer(concurrency=1)
    assert await chat.request_turn(MODEL, "a", tokens=0) == 0

    async def handler(_: Any) -> Any:
        raise AssertionError("it was not its turn")

    request = SimpleNamespace(messages=[], runtime=SimpleNamespace(context=SimpleNamespace()))
    with pytest.raises(RunFailed, match="LLM_MAX_CONCURRENCY") as raised:
        await ModelPacing(SPEC, chat, patience_s=0).awrap_model_call(request, handler)
    assert raised.value.code == "model_busy"


async def test_pacing_holds_no_call_back_without_redis() -> None:
    client = keyspace.async_client("redis://127.0.0.1:1/0", retries=0, timeout_s=1)
    away = Pacer(client, Pace(concurrency=1), background=False, hold_s=1)

    async def waiting() -> None:
        raise AssertionError

    assert await away.enter(MODEL, tokens=0, waiting=waiting) == ""
    await client.aclose()
