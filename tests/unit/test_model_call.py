"""The model call itself, and what is left out of one that a model cannot take."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any

import pytest
from langchain.agents.middleware import ModelRequest, ModelResponse
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage, ToolMessage

from aiops.agent.middleware.concessions import Concessions
from aiops.agent.middleware.model_call import ModelCall
from aiops.llm import failures
from aiops.llm.values import ModelSpec
from tests.integration.scripted_model import ScriptedModel, calling, words
from tests.integration.wire.asking import TOOL, Watcher

SPEC = ModelSpec("openai", "m")
Handler = Callable[[Any], Awaitable[ModelResponse[Any]]]


def request(watcher: Watcher, *turns: Any, tools: tuple[Any, ...] = ()) -> Any:
    runtime: Any = SimpleNamespace(context=watcher)
    messages = [HumanMessage("q " * 200, id="q1"), AIMessage("a " * 200, id="a1"), HumanMessage("now", id="q2")]
    return ModelRequest(model=ScriptedModel(turns=list(turns)), messages=messages, tools=list(tools), runtime=runtime)


async def _never(_: Any) -> Any:
    raise AssertionError("the innermost middleware asks the model itself")


async def test_words_are_shown_as_they_come_and_the_message_has_an_id_of_its_own() -> None:
    watcher, call = Watcher(), ModelCall(SPEC, idle_s=5)
    said = [AIMessageChunk(text, id="theirs") for text in ("All ", "up.")]
    [message] = (await call.awrap_model_call(request(watcher, said), _never)).result
    assert (watcher.said, message.text) == ("All up.", "All up.")
    assert message.id != "theirs"


async def test_a_pause_that_was_too_long_is_a_timeout_also_where_its_cancellation_got_lost() -> None:
    class Busy(Watcher):
        async def say(self, text: str) -> None:
            with contextlib.suppress(asyncio.CancelledError):  # as asyncio.wait_for of Python 3.11 may
                await asyncio.sleep(10)
            await super().say(text)

    said = [AIMessageChunk(text) for text in ("All ", "up.")]
    with pytest.raises(TimeoutError):
        await ModelCall(SPEC, idle_s=0.05).awrap_model_call(request(Busy(), said), _never)


async def test_a_call_gets_our_id_and_keeps_the_providers_for_the_wire() -> None:
    watcher = Watcher()
    asked = request(watcher, calling("look", '{"a": 1}', call_id="call_0"), tools=(TOOL,))
    [message] = (await ModelCall(SPEC, idle_s=5).awrap_model_call(asked, _never)).result
    assert [(call["id"], call["name"], call["args"]) for call in message.tool_calls] == [("ours1", "look", {"a": 1})]
    assert message.additional_kwargs["provider_call_ids"] == {"ours1": "call_0"}


async def test_a_call_that_cannot_be_made_has_its_result_at_once_and_the_others_wait_for_theirs() -> None:
    watcher = Watcher()
    asked = request(watcher, [*calling("look", "{bad"), *calling("look", "{}", call_id="c2")], tools=(TOOL,))
    message, result = (await ModelCall(SPEC, idle_s=5).awrap_model_call(asked, _never)).result
    assert [call["args"] for call in message.tool_calls] == [{}, {}]
    assert isinstance(result, ToolMessage)
    assert (result.tool_call_id, result.status, watcher.refused) == ("ours1", "error", [("ours1", "look")])


async def test_the_same_tools_are_described_to_the_model_once() -> None:
    bound: list[Any] = []

    class Counting(ScriptedModel):
        def bind_tools(self, tools: Any, **_: Any) -> ScriptedModel:
            bound.append(tools)
            return self

    call, tools = ModelCall(SPEC, idle_s=5), [TOOL]
    asked = request(Watcher()).override(model=Counting(turns=[words("a"), words("b"), words("c")]), tools=tools)
    await call.awrap_model_call(asked, _never)
    await call.awrap_model_call(asked, _never)
    assert len(bound) == 1
    await call.awrap_model_call(asked.override(tools=[TOOL]), _never)
    assert len(bound) == 2


def refusing(*refusals: Exception) -> tuple[Handler, list[Any]]:
    """Return a handler that raises these in turn and then answers, and the requests it got."""
    left, asked = list(refusals), []

    async def handler(request: Any) -> ModelResponse[Any]:
        asked.append(request)
        if left:
            raise left.pop(0)
        return ModelResponse(result=[AIMessage("a")])

    return handler, asked


def refusal(status: int, message: str) -> Exception:
    made = Exception(message)
    made.status_code, made.body = status, {"error": {"message": message}}  # type: ignore[attr-defined]
    return made


async def test_a_model_without_tools_is_asked_without_them_and_the_reader_knows() -> None:
    watcher, (handler, asked) = Watcher(), refusing(refusal(400, "m does not support tools"))
    await Concessions().awrap_model_call(request(watcher, tools=(TOOL,)), handler)
    assert [len(one.tools) for one in asked] == [1, 0]
    assert [code for code, _ in watcher.notices] == ["model_without_tools"]


async def test_a_conversation_that_is_too_long_is_shortened_once() -> None:
    too_long = refusal(400, "This model's maximum context length is 10 tokens")
    watcher, (handler, asked) = Watcher(), refusing(too_long, too_long)
    with pytest.raises(Exception, match="maximum context") as raised:
        await Concessions().awrap_model_call(request(watcher), handler)
    assert raised.value is too_long
    assert [[message.id for message in one.messages] for one in asked] == [["q1", "a1", "q2"], ["q2"]]
    assert [code for code, _ in watcher.notices] == ["context_shortened"]


@pytest.mark.parametrize("error", [refusal(400, "bad field"), failures.StreamCut(), refusal(401, "context length")])
async def test_nothing_is_left_out_after_another_error(error: Exception) -> None:
    watcher, (handler, asked) = Watcher(), refusing(error)
    with pytest.raises(type(error)):
        await Concessions().awrap_model_call(request(watcher, tools=(TOOL,)), handler)
    assert (len(asked), watcher.notices) == (1, [])
