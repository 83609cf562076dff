"""What servers with Anthropic's Messages API send."""

from __future__ import annotations

import json
from typing import Any

from tests.integration.wire.case import Case
from tests.integration.wire.raw_server import Reply


def event(kind: str, **fields: Any) -> str:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields})}\n\n"


def begin(**usage: int) -> str:
    message = {"id": "msg", "type": "message", "role": "assistant", "model": "m", "content": [], "stop_reason": None}
    return event("message_start", message={**message, "usage": {"input_tokens": 7, "output_tokens": 1, **usage}})


def block(index: int, start: dict[str, Any], *deltas: dict[str, Any]) -> str:
    return (
        event("content_block_start", index=index, content_block=start)
        + "".join(event("content_block_delta", index=index, delta=delta) for delta in deltas)
        + event("content_block_stop", index=index)
    )


def text(*parts: str, index: int = 0) -> str:
    return block(index, {"type": "text", "text": ""}, *({"type": "text_delta", "text": part} for part in parts))


def use(name: str, *parts: str, index: int = 0, id_: str = "toolu_1") -> str:
    start = {"type": "tool_use", "id": id_, "name": name, "input": {}}
    return block(index, start, *({"type": "input_json_delta", "partial_json": part} for part in parts))


def end(reason: str | None = "end_turn", *, stop: bool = True) -> str:
    delta = event("message_delta", delta={"stop_reason": reason, "stop_sequence": None}, usage={"output_tokens": 3})
    return delta + (event("message_stop") if stop else "")


def stream(*parts: str, whole: bool = True) -> Reply:
    return Reply(tuple(part.encode() for part in parts), headers={"Content-Type": "text/event-stream"}, whole=whole)


def problem(status: int, words: str, kind: str = "invalid_request_error", **headers: str) -> Reply:
    body = {"type": "error", "error": {"type": kind, "message": words}}
    return Reply((json.dumps(body).encode(),), status, headers)


THOUGHT = block(
    0,
    {"type": "thinking", "thinking": "", "signature": ""},
    {"type": "thinking_delta", "thinking": "hm, "},
    {"type": "thinking_delta", "thinking": "yes"},
    {"type": "signature_delta", "signature": "sig"},
)
CASES = [
    Case("words", "anthropic", (stream(begin(), text("a b", " c"), end()),), "a b c", usage=(7, 3)),
    Case(
        "a call in pieces",
        "anthropic",
        (stream(begin(), text("I look."), use("look", '{"a"', ": 1}", index=1), end("tool_use")),),
        "I look.",
        made=[("look", {"a": 1})],
    ),
    Case("no arguments", "anthropic", (stream(begin(), use("look"), end("tool_use")),), made=[("look", {})]),
    Case(
        "two calls",
        "anthropic",
        (stream(begin(), use("f", '{"a": 1}'), use("g", "{}", index=1, id_="toolu_2"), end("tool_use")),),
        made=[("f", {"a": 1}), ("g", {})],
    ),
    Case(
        "arguments cut at the limit",
        "anthropic",
        (stream(begin(), use("look", '{"a'), end("max_tokens")),),
        results=("limit of tokens (max_tokens)", "not made"),
    ),
    Case(
        "arguments that are no JSON",
        "anthropic",
        (stream(begin(), use("look", "{bad"), end("tool_use")),),
        results=("JSON",),
    ),
    Case("thinking", "anthropic", (stream(begin(), THOUGHT, text("a", index=1), end()),), "a", thought="hm, yes"),
    Case(
        "an answer cut at the limit",
        "anthropic",
        (stream(begin(), text("a"), end("max_tokens")),),
        "a",
        notices=("answer_cut",),
    ),
    Case("a refusal", "anthropic", (stream(begin(), text("No."), end("refusal")),), "No.", notices=("answer_refused",)),
    Case("nothing", "anthropic", (stream(begin(), end()),), error="model_empty", words="(end_turn)"),
    Case("neither reason nor end", "anthropic", (stream(begin(), text("a")),), error="model_unreachable"),
    Case(
        "a call without a reason", "anthropic", (stream(begin(), use("f", "{}"), end(None)),), error="model_unreachable"
    ),
    Case("a broken connection", "anthropic", (stream(begin(), text("a"), whole=False),), error="model_unreachable"),
    Case(
        "an error within the stream",
        "anthropic",
        (stream(begin(), text("a"), event("error", error={"type": "overloaded_error", "message": "Overloaded"})),),
        error="model_error",
        words="Overloaded",
    ),
    Case(
        "an error within the stream that passes",
        "anthropic",
        (
            stream(begin(), text("a"), event("error", error={"type": "api_error", "message": "busy"})),
            stream(begin(), text("b"), end()),
        ),
        "b",
    ),
    Case("a ping", "anthropic", (stream(begin(), event("ping"), text("a"), end()),), "a"),
    Case(
        "the provider's words",
        "anthropic",
        (problem(400, "Unrecognized argument: foo"),),
        error="model_refused",
        words="foo",
    ),
    Case(
        "a wrong key",
        "anthropic",
        (problem(401, "invalid x-api-key", "authentication_error"),),
        error="model_key_refused",
        words="ANTHROPIC_API_KEY",
    ),
    Case(
        "a model that is not there", "anthropic", (problem(404, "model: m"),), error="model_not_found", words="model: m"
    ),
    Case(
        "overloaded", "anthropic", (problem(529, "Overloaded", "overloaded_error"),), error="model_error", words="529"
    ),
    Case(
        "too long",
        "anthropic",
        (problem(400, "prompt is too long: 210000 tokens > 200000 maximum"),),
        error="model_context_exceeded",
        words="AIOPS_CONTEXT_TOKENS",
    ),
]
