"""The middleware around model calls: schema of the answer, retry and what is left out."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from langchain.agents.middleware import ModelRequest, ModelResponse
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from langgraph.errors import GraphBubbleUp

from aiops.agent.middleware import model_retry
from aiops.agent.middleware.answer_schema import AnswerSchema
from aiops.agent.middleware.instructions import Instructions
from aiops.agent.middleware.model_retry import ModelRetry
from aiops.agent.middleware.user_name import UserName
from aiops.errors import RunFailed
from aiops.llm import failures
from aiops.system_prompts.fields import MARK
from tests.models import spec_at

SPEC = spec_at("openai", "http://m")
SCHEMA = json.dumps({"type": "object", "required": ["host"]})
Handler = Callable[[Any], Awaitable[ModelResponse[Any]]]


class Recorded:
    """A watcher that keeps why model calls were discarded."""

    instructions = "Answer in German."
    user_name = "ann"

    def __init__(self) -> None:
        self.discarded: list[str] = []

    async def model_call_failed(self, reason: str) -> None:
        self.discarded.append(reason)


def request(watcher: Recorded) -> ModelRequest[Any]:
    runtime: Any = SimpleNamespace(context=watcher)
    model: Any = None
    return ModelRequest(model=model, messages=[HumanMessage("which host?")], runtime=runtime)


def said(text: str, **fields: Any) -> AIMessage:
    usage: Any = {"input_tokens": 3, "output_tokens": 2, "total_tokens": 5}
    return AIMessage(text, response_metadata={"finish_reason": "stop"}, usage_metadata=usage, **fields)


def model(*outcomes: AIMessage | BaseException) -> tuple[Handler, list[Any]]:
    """Return a handler that has these outcomes in turn, and the requests it got."""
    left, asked = list(outcomes), []

    async def handler(request: Any) -> ModelResponse[Any]:
        asked.append(request)
        outcome = left.pop(0)
        if isinstance(outcome, BaseException):
            raise outcome
        return ModelResponse(result=[outcome])

    return handler, asked


@pytest.fixture(autouse=True)
def immediate_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_retry, "wait_random_exponential", lambda **_: lambda state: 0)


async def test_an_answer_that_fits_its_schema_is_returned_as_it_is() -> None:
    watcher, (handler, asked) = Recorded(), model(said('{"host": "a"}'))
    response = await AnswerSchema(SCHEMA).awrap_model_call(request(watcher), handler)
    assert response.result[-1].text == '{"host": "a"}'
    assert (len(asked), watcher.discarded) == (1, [])


async def test_an_answer_that_does_not_fit_its_schema_is_asked_for_once_more() -> None:
    watcher, (handler, asked) = Recorded(), model(said("it is a"), said('{"host": "a"}'))
    response = await AnswerSchema(SCHEMA).awrap_model_call(request(watcher), handler)
    assert response.result[-1].text == '{"host": "a"}'
    assert response.result[-1].usage_metadata["total_tokens"] == 10
    assert [m.type for m in asked[1].messages] == ["human", "ai", "human"]
    assert watcher.discarded == ["answer_invalid"]


async def test_a_second_answer_that_does_not_fit_its_schema_fails_the_run() -> None:
    handler, _ = model(said("it is a"), said("it is b"))
    with pytest.raises(RunFailed) as failed:
        await AnswerSchema(SCHEMA).awrap_model_call(request(Recorded()), handler)
    assert failed.value.code == "answer_invalid"


async def test_a_tool_call_is_not_held_against_the_schema_of_the_answer() -> None:
    calling = said("let me see", tool_calls=[{"name": "t", "args": {}, "id": "c1"}])
    handler, asked = model(calling)
    response = await AnswerSchema(SCHEMA).awrap_model_call(request(Recorded()), handler)
    assert response.result == [calling]
    assert len(asked) == 1


async def test_a_transient_model_failure_is_retried_and_its_words_are_discarded() -> None:
    watcher, (handler, asked) = Recorded(), model(httpx.ConnectError("no"), said("a"))
    response = await ModelRetry(SPEC, tries=3).awrap_model_call(request(watcher), handler)
    assert response.result[-1].text == "a"
    assert (len(asked), watcher.discarded) == (2, ["model_retry"])


async def test_a_model_that_keeps_failing_is_called_as_often_as_allowed_and_fails_the_run() -> None:
    handler, asked = model(*[httpx.ConnectError("no")] * 3)
    with pytest.raises(RunFailed) as failed:
        await ModelRetry(SPEC, tries=3).awrap_model_call(request(Recorded()), handler)
    assert (failed.value.code, len(asked)) == ("model_unreachable", 3)


async def test_a_lasting_model_failure_is_not_retried() -> None:
    handler, asked = model(KeyError("choices"))
    with pytest.raises(RunFailed) as failed:
        await ModelRetry(SPEC, tries=3).awrap_model_call(request(Recorded()), handler)
    assert (failed.value.code, len(asked)) == ("model_nonsense", 1)


@pytest.mark.parametrize("poor", [failures.StreamCut(), failures.EmptyAnswer(), failures.ProviderFailed("error")])
async def test_an_answer_that_was_cut_or_is_empty_is_retried(poor: Exception) -> None:
    handler, asked = model(poor, said("a"))
    response = await ModelRetry(SPEC, tries=2).awrap_model_call(request(Recorded()), handler)
    assert (response.result[-1].text, len(asked)) == ("a", 2)


@pytest.mark.parametrize("error", [GraphBubbleUp(), asyncio.CancelledError()])
async def test_an_interrupt_or_a_cancellation_passes_through_model_retry(error: BaseException) -> None:
    handler, asked = model(error)
    with pytest.raises(type(error)):
        await ModelRetry(SPEC, tries=3).awrap_model_call(request(Recorded()), handler)
    assert len(asked) == 1


async def test_the_askers_instructions_follow_the_system_prompt() -> None:
    handler, asked = model(said("ja"), said("ja"))
    await Instructions().awrap_model_call(
        request(Recorded()).override(system_message=SystemMessage("Be aiops.")), handler
    )
    await Instructions().awrap_model_call(request(Recorded()), handler)
    with_prompt, without = [one.system_message.text for one in asked]
    assert with_prompt.startswith("Be aiops.\n\n")
    assert with_prompt.endswith("Answer in German.")
    assert without.endswith("Answer in German.")


async def test_a_prompt_names_the_asker_of_this_run() -> None:
    handler, asked = model(said("hello"))
    prompt = SystemMessage(f"You help {MARK}, and {MARK} alone.")
    await UserName().awrap_model_call(request(Recorded()).override(system_message=prompt), handler)
    assert asked[0].system_message.text == "You help ann, and ann alone."
