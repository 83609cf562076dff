"""What the clients of the providers send, and what becomes of their answers, beyond the cases of each wire."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage

from aiops.llm import clients
from aiops.settings import Settings
from tests.integration.wire import anthropic_cases
from tests.integration.wire.asking import ask
from tests.integration.wire.raw_server import RawServer, Reply, calling, delta, sse
from tests.models import spec_at


@pytest.fixture
def serve() -> Iterator[Callable[..., RawServer]]:
    server = RawServer()

    def begin(*replies: Any) -> RawServer:
        server.begin(*replies)
        return server

    yield begin
    server.stop()


WORDS = {
    "openai": sse(delta(content="a"), delta("stop")),
    "azure_ai": sse(delta(content="a"), delta("stop")),
    "huggingface": sse(delta(content="a"), delta("stop")),
    "anthropic": anthropic_cases.stream(anthropic_cases.begin(), anthropic_cases.text("a"), anthropic_cases.end()),
}


@pytest.mark.parametrize("provider", WORDS)
async def test_a_request_without_tools_has_no_key_for_them(provider: str, serve: Callable[..., RawServer]) -> None:
    server = serve(WORDS[provider])
    assert (await ask(provider, server.url, tools=())).watcher.said == "a"
    assert "tools" not in server.asked[0]
    await ask(provider, server.url)
    assert server.asked[1]["tools"]


@pytest.mark.parametrize("provider", [*WORDS, "ollama"])
async def test_a_redirect_is_not_followed(provider: str, serve: Callable[..., RawServer]) -> None:
    elsewhere = RawServer()
    elsewhere.begin(Reply((b"{}",)))
    server = serve(Reply((b"moved",), 307, {"Location": f"{elsewhere.url}/v1/chat/completions"}))
    seen = await ask(provider, server.url)
    elsewhere.stop()
    assert elsewhere.asked == []
    assert seen.error is not None
    assert provider == "huggingface" or "(307)" in seen.error.detail, "its client names no status of a redirect"


THOUGHT = anthropic_cases.stream(
    anthropic_cases.begin(),
    anthropic_cases.THOUGHT,
    anthropic_cases.use("look", "{}", index=1),
    anthropic_cases.end("tool_use"),
)


@pytest.mark.parametrize("provider", ["openai", "azure_ai", "anthropic"])
async def test_what_a_model_thought_goes_back_with_its_calls_where_that_is_wanted(
    provider: str, serve: Callable[..., RawServer]
) -> None:
    thinking = (
        THOUGHT
        if provider == "anthropic"
        else sse(
            delta(reasoning_content="hm, "), delta(reasoning_content="yes"), calling("look", "{}"), delta("tool_calls")
        )
    )
    server = serve(thinking, WORDS[provider])
    first = await ask(provider, server.url, echo=True)
    said = first.message
    assert said is not None
    assert said.additional_kwargs["reasoning_content"] == "hm, yes"
    result = ToolMessage("r", tool_call_id=said.tool_calls[0]["id"])
    await ask(provider, server.url, messages=[HumanMessage("q"), said, result], echo=True)
    sent = next(message for message in server.asked[1]["messages"] if message["role"] == "assistant")
    if provider == "anthropic":
        assert sent["content"][0] == {"type": "thinking", "thinking": "hm, yes", "signature": "sig"}
    else:
        assert sent["reasoning_content"] == "hm, yes"
    await ask(
        provider, server.url, messages=[HumanMessage("q"), said, result, AIMessage("a"), HumanMessage("p")], echo=True
    )
    assert "hm, yes" not in json.dumps(server.asked[2]["messages"]), "it is wanted within a turn only"


async def test_each_block_that_anthropic_thought_goes_back_as_it_was(serve: Callable[..., RawServer]) -> None:
    redacted = anthropic_cases.block(1, {"type": "redacted_thinking", "data": "xyz"})
    second = anthropic_cases.block(
        2,
        {"type": "thinking", "thinking": "", "signature": ""},
        {"type": "thinking_delta", "thinking": "so"},
        {"type": "signature_delta", "signature": "gis"},
    )
    call = anthropic_cases.use("look", "{}", index=3)
    parts = (anthropic_cases.begin(), anthropic_cases.THOUGHT, redacted, second, call, anthropic_cases.end("tool_use"))
    server = serve(anthropic_cases.stream(*parts), WORDS["anthropic"])
    said = (await ask("anthropic", server.url, echo=True)).message
    assert said is not None
    result = ToolMessage("r", tool_call_id=said.tool_calls[0]["id"])
    await ask("anthropic", server.url, messages=[HumanMessage("q"), said, result], echo=True)
    sent = next(message for message in server.asked[1]["messages"] if message["role"] == "assistant")
    assert sent["content"][:3] == [
        {"type": "thinking", "thinking": "hm, yes", "signature": "sig"},
        {"type": "redacted_thinking", "data": "xyz"},
        {"type": "thinking", "thinking": "so", "signature": "gis"},
    ]


async def test_what_a_model_thought_is_kept_only_where_it_is_wanted(serve: Callable[..., RawServer]) -> None:
    server = serve(sse(delta(reasoning_content="hm"), calling("look", "{}"), delta("tool_calls")))
    said = (await ask("openai", server.url)).message
    assert said is not None
    assert "reasoning_content" not in said.additional_kwargs


def whole(**said: Any) -> Reply:
    message = {"role": "assistant", "content": None, **said}
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls" if "tool_calls" in said else "stop"}
    usage = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
    body = {"id": "1", "object": "chat.completion", "model": "m", "choices": [choice], "usage": usage}
    return Reply((json.dumps(body).encode(),))


@pytest.mark.parametrize("provider", ["openai", "azure_ai"])
async def test_a_model_that_cannot_stream_is_asked_for_a_whole_answer(
    provider: str, serve: Callable[..., RawServer]
) -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
    refusal = Reply((b'{"error": {"message": "no such model"}}',), 404)
    server = serve(whole(content="all is well"), whole(tool_calls=[call]), refusal, Reply((b"<html>",)))
    lacks = frozenset({"streaming"})
    said = await ask(provider, server.url, lacks=lacks)
    assert said.watcher.said == "all is well"
    assert said.message is not None
    assert said.message.usage_metadata is not None
    assert said.message.usage_metadata["total_tokens"] == 5
    assert not server.asked[0].get("stream")
    assert (await ask(provider, server.url, lacks=lacks)).made == [("look", {})]
    for expected in ("no such model", ""):
        failed = await ask(provider, server.url, lacks=lacks)
        assert failed.error is not None
        assert expected in failed.error.detail


async def test_a_model_of_hugging_face_helps_middleware_with_a_whole_answer(serve: Callable[..., RawServer]) -> None:
    server = serve(WORDS["huggingface"])
    client = await clients.make(spec_at("huggingface", server.url, key="k"), Settings(environment="LAB"), timeout_s=5)
    assert (await client.model.ainvoke("Sum up.")).text == "a"
