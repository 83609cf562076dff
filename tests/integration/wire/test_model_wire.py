"""What servers send and what comes of it, through the real client library of every provider that has one."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from email.utils import formatdate
from typing import Any

import httpx
import pytest
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage

from aiops.llm import failures
from tests.integration.wire import anthropic_cases, ollama_cases, openai_cases
from tests.integration.wire.asking import ask
from tests.integration.wire.case import Case
from tests.integration.wire.raw_server import (
    RawServer,
    Reply,
    calling,
    delta,
    problem,
    sse,
)

# What a server sends in another form than its API's is read all the same; the client library only warns of it.
pytestmark = pytest.mark.filterwarnings("ignore:Pydantic serializer warnings")
STOP = delta("stop")
KEYS = {"azure_ai": "AZURE_OPENAI_API_KEY", "huggingface": "HF_TOKEN"}
OF_OTHERS = [
    replace(case, provider=provider, words=case.words.replace("OPENAI_API_KEY", KEYS[provider]))
    for provider in ("azure_ai", "huggingface")
    for case in openai_cases.CASES
]


@pytest.fixture(scope="module")
def server() -> Iterator[RawServer]:
    """One for all: to make a client for each address takes far longer than a call."""
    made = RawServer()
    yield made
    made.stop()


@pytest.fixture
def serve(server: RawServer) -> Callable[..., RawServer]:
    def begin(*replies: Reply) -> RawServer:
        server.begin(*replies)
        return server

    return begin


@pytest.mark.parametrize(
    "case",
    [*openai_cases.CASES, *OF_OTHERS, *ollama_cases.CASES, *anthropic_cases.CASES],
    ids=lambda case: f"{case.provider}: {case.name}",
)
async def test_an_answer_is_what_the_server_sent(case: Case, serve: Callable[..., RawServer]) -> None:
    seen = await ask(
        case.provider, serve(*case.replies).url, tries=len(case.replies) if case.name.endswith("passes") else 1
    )
    assert (seen.error.code if seen.error else "") == case.error, seen.error
    assert case.words in (seen.error.detail if seen.error else "")
    assert [code for code, _ in seen.watcher.notices] == list(case.notices)
    assert seen.watcher.thought == case.thought
    assert seen.made == case.made
    for word in case.results:
        assert word in " ".join(result.text for result in seen.results)
    assert bool(seen.results) == bool(case.results) == bool(seen.watcher.refused)
    if seen.message is not None:
        assert seen.message.text == case.text
        ids = [call["id"] for call in seen.message.tool_calls]
        assert len(set(ids)) == len(ids)
        assert all(str(id_).startswith("ours") for id_ in ids)
        if case.usage:
            usage: Any = seen.message.usage_metadata
            assert (usage["input_tokens"], usage["output_tokens"]) == case.usage


async def test_an_answer_that_keeps_coming_is_never_too_late(serve: Callable[..., RawServer]) -> None:
    steady = sse(*(delta(content="a") for _ in range(8)), STOP, pause_s=0.2)
    assert (await ask("openai", serve(steady).url, idle_s=0.8)).watcher.said == "a" * 8


async def test_an_answer_that_stops_coming_is_given_up(serve: Callable[..., RawServer]) -> None:
    stuck = sse(delta(content="a"), delta(content="b"), pause_s=3)
    seen = await ask("openai", serve(stuck).url, idle_s=0.3)
    assert seen.error is not None
    assert seen.error.code == "model_timeout"


async def test_a_model_that_only_thinks_too_long_a_context_gets_the_last_part(serve: Callable[..., RawServer]) -> None:
    server = serve(problem(400, "maximum context length exceeded"), sse(delta(content="a"), STOP))
    past = [
        m for n in range(6) for m in (HumanMessage(f"q{n} " * 40, id=f"q{n}"), AIMessage(f"a{n} " * 40, id=f"a{n}"))
    ]
    seen = await ask("openai", server.url, messages=[*past, HumanMessage("now", id="now")])
    assert seen.watcher.said == "a"
    assert [code for code, _ in seen.watcher.notices] == ["context_shortened"]
    assert len(server.asked[1]["messages"]) < len(server.asked[0]["messages"])
    assert server.asked[1]["messages"][-1]["content"] == "now"


async def test_the_provider_gets_its_own_ids_back_while_they_are_unique(serve: Callable[..., RawServer]) -> None:
    def used(ours: str, theirs: str) -> list[Any]:
        call = {"id": ours, "name": "look", "args": {}}
        kept = {"provider_call_ids": {ours: theirs}}
        return [AIMessage("", tool_calls=[call], additional_kwargs=kept), ToolMessage("r", tool_call_id=ours)]

    server = serve(sse(delta(content="a"), STOP))
    await ask(
        "openai",
        server.url,
        messages=[HumanMessage("q"), *used("o1", "search:0"), *used("o2", "x1"), *used("o3", "search:0")],
    )
    sent = server.asked[0]["messages"]
    assert [m["tool_calls"][0]["id"] for m in sent if m["role"] == "assistant"] == ["o1", "x1", "o3"]
    assert [m["tool_call_id"] for m in sent if m["role"] == "tool"] == ["o1", "x1", "o3"]


async def test_a_model_that_is_cut_in_its_calls_again_and_again_is_given_up(serve: Callable[..., RawServer]) -> None:
    cut = AIMessage(
        "", tool_calls=[{"id": "o", "name": "look", "args": {}}], response_metadata={"finish_reason": "length"}
    )
    before = [HumanMessage("q"), cut, ToolMessage("cut", tool_call_id="o"), cut, ToolMessage("cut", tool_call_id="o")]
    seen = await ask("openai", serve(sse(calling("look", '{"a'), delta("length"))).url, messages=before)
    assert seen.error is not None
    assert seen.error.code == "model_cut"


@pytest.mark.parametrize("provider", ["openai", "ollama"])
@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504, 529])
@pytest.mark.parametrize(
    ("headers", "low", "high"),
    [
        ({"Retry-After": "7"}, 7, 7),
        ({"Retry-After": "1.5"}, 1.5, 1.5),
        ({"retry-after-ms": "2500"}, 2.5, 2.5),
        ({"retry-after-ms": "1500", "Retry-After": "9"}, 1.5, 1.5),
        ({"Retry-After": "@later"}, 15, 31),
        ({"Retry-After": "@earlier"}, 0, 0),
        ({"Retry-After": "3600"}, 300, 300),
        ({"Retry-After": "-3"}, 0, 0),
    ],
)
async def test_when_to_come_again_is_read_through_the_real_client(
    provider: str, status: int, headers: dict[str, str], low: float, high: float, serve: Callable[..., RawServer]
) -> None:
    dates = {"@later": formatdate(time.time() + 30, usegmt=True), "@earlier": formatdate(time.time() - 30, usegmt=True)}
    sent = {name: dates.get(value, value) for name, value in headers.items()}
    body = json.dumps({"error": {"message": "busy"}} if provider == "openai" else {"error": "busy"}).encode()
    seen = await ask(provider, serve(Reply((body,), status, sent)).url)
    assert seen.error is not None
    cause = seen.error.__cause__
    assert cause is not None
    assert failures.asks_to_wait(cause)
    assert low <= failures.retry_after_s(cause) <= high


@pytest.mark.parametrize("provider", ["openai", "ollama"])
async def test_a_server_that_loads_its_model_is_waited_for(provider: str, serve: Callable[..., RawServer]) -> None:
    body = {"error": {"message": "Loading model", "code": 503}} if provider == "openai" else {"error": "Loading model"}
    seen = await ask(provider, serve(Reply((json.dumps(body).encode(),), 503)).url)
    assert seen.error is not None
    assert seen.error.__cause__ is not None
    assert failures.is_loading(seen.error.__cause__)
    assert failures.asks_to_wait(seen.error.__cause__)


@pytest.mark.parametrize("status", [408, 500, 503, 504, 529])
async def test_an_error_without_a_time_is_an_ordinary_one(status: int, serve: Callable[..., RawServer]) -> None:
    seen = await ask("openai", serve(problem(status, "overloaded")).url)
    assert seen.error is not None
    assert seen.error.__cause__ is not None
    assert not failures.asks_to_wait(seen.error.__cause__)
    assert failures.is_transient(seen.error.__cause__)


async def test_a_refusal_that_names_a_time_is_final_all_the_same(serve: Callable[..., RawServer]) -> None:
    seen = await ask("openai", serve(problem(400, "no", **{"Retry-After": "1"})).url, tries=2)
    assert seen.error is not None
    assert seen.error.__cause__ is not None
    assert not failures.asks_to_wait(seen.error.__cause__)


def test_an_error_of_another_clients_response_class_is_read_like_any() -> None:
    error = Exception("x")
    error.status_code, error.response = 429, httpx.Response(429, headers={"Retry-After": "3"})  # type: ignore[attr-defined]
    assert failures.retry_after_s(error) == 3
