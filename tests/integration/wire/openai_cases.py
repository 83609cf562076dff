"""What servers with OpenAI's chat API send. A table: its rows are read one by one, so it stays one file."""

from __future__ import annotations

from tests.integration.wire.case import Case
from tests.integration.wire.raw_server import Reply, calling, delta, problem, sse

SECRET_PLAN = '{"text": "delete /srv/backup/old-2019'
STOP = delta("stop")
CASES = [
    Case("words", "openai", (sse(delta(content="a b"), delta(content=" c"), STOP),), "a b c"),
    Case(
        "a call in pieces",
        "openai",
        (sse(calling("look", '{"a"'), calling("", ": 1}", id_=None), delta("tool_calls")),),
        made=[("look", {"a": 1})],
    ),
    Case(
        "arguments cut at the limit",
        "openai",
        (sse(calling("look", SECRET_PLAN), delta("length")),),
        results=("limit of tokens (length)", "not made"),
    ),
    Case(
        "whole arguments before the limit",
        "openai",
        (sse(calling("look", '{"a": 1}'), delta("length")),),
        results=("limit of tokens (length)",),
    ),
    Case(
        "arguments that are no JSON", "openai", (sse(calling("look", "{bad"), delta("tool_calls")),), results=("JSON",)
    ),
    Case(
        "one readable call beside one that is not",
        "openai",
        (sse(calling("look", "{}"), calling("look", "{bad", id_="c2", index=1), delta("tool_calls")),),
        made=[("look", {})],
        results=("JSON",),
    ),
    Case("no arguments", "openai", (sse(calling("look", ""), delta("tool_calls")),), made=[("look", {})]),
    Case(
        "arguments as an object",
        "openai",
        (sse(calling("look", {"a": 1}), delta("tool_calls")),),  # type: ignore[arg-type]
        made=[("look", {"a": 1})],
    ),
    Case(
        "a call without an index",
        "openai",
        (
            sse(
                delta(tool_calls=[{"id": "c1", "function": {"name": "look", "arguments": '{"a": 1}'}}]),
                delta("tool_calls"),
            ),
        ),
        made=[("look", {"a": 1})],
    ),
    Case(
        "two calls under one index",
        "openai",
        (sse(calling("f", '{"a": 1}'), calling("g", '{"b": 2}', id_="c2"), delta("tool_calls")),),
        made=[("f", {"a": 1}), ("g", {"b": 2})],
    ),
    Case(
        "one id for three calls",
        "openai",
        (sse(*(calling("f", f'{{"n": {n}}}', id_="call_0", index=n) for n in range(3)), delta("tool_calls")),),
        made=[("f", {"n": 0}), ("f", {"n": 1}), ("f", {"n": 2})],
    ),
    Case("no id", "openai", (sse(calling("f", "{}", id_=None), delta("tool_calls")),), made=[("f", {})]),
    Case(
        "the call of an older API",
        "openai",
        (sse(delta(function_call={"name": "f", "arguments": "{}"}), delta("function_call")),),
        made=[("f", {})],
    ),
    Case("a call that is said to end in words", "openai", (sse(calling("f", "{}"), STOP),), made=[("f", {})]),
    Case(
        "an emoji in halves", "openai", (sse(delta(content="a \ud83d"), delta(content="\ude00"), STOP),), "a \U0001f600"
    ),
    Case("half an emoji", "openai", (sse(delta(content="a \ud83d"), delta(content=" b"), STOP),), "a \ufffd b"),
    Case(
        "thinking",
        "openai",
        (sse(delta(reasoning_content="hm, "), delta(reasoning="yes"), delta(content="a"), STOP),),
        "a",
        thought="hm, yes",
    ),
    Case(
        "usage in every chunk",
        "openai",
        (
            sse(
                *(
                    {**delta(content=w), "usage": {"prompt_tokens": 7, "completion_tokens": n}}
                    for n, w in enumerate("abc")
                ),
                STOP,
                {**delta(), "choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}},
            ),
        ),
        "abc",
        usage=(7, 3),
    ),
    Case(
        "an answer cut at the limit",
        "openai",
        (sse(delta(content="a b"), delta("length")),),
        "a b",
        notices=("answer_cut",),
    ),
    Case(
        "a filtered answer",
        "openai",
        (sse(delta(content="a"), delta("content_filter")),),
        "a",
        notices=("answer_filtered",),
    ),
    Case("an answer that is filtered whole", "openai", (sse(delta("content_filter")),), error="model_filtered"),
    Case(
        "a limit that thinking reached",
        "openai",
        (sse(delta(reasoning_content="hm"), delta("length")),),
        thought="hm",
        error="model_cut",
        words="LLM_MAX_TOKENS",
    ),
    Case(
        "a refusal",
        "openai",
        (sse(delta(refusal="I can't "), delta(refusal="do that."), STOP),),
        "I can't do that.",
        notices=("answer_refused",),
    ),
    Case("nothing", "openai", (sse(STOP),), error="model_empty", words="(stop)"),
    Case("no finish reason but the end's mark", "openai", (sse(delta(content="a")),), "a"),
    Case("a call without a finish reason", "openai", (sse(calling("f", "{}")),), error="model_unreachable"),
    Case("neither finish reason nor mark", "openai", (sse(delta(content="a"), done=False),), error="model_unreachable"),
    Case(
        "a broken connection", "openai", (sse(delta(content="a"), done=False, whole=False),), error="model_unreachable"
    ),
    Case(
        "an end by an error",
        "openai",
        (sse(delta(content="a"), delta("network_error")),),
        error="model_error",
        words="network_error",
    ),
    Case(
        "an error within the stream",
        "openai",
        (sse(delta(content="a"), {"error": {"message": "GPU lost", "code": "server_error"}}),),
        error="model_error",
        words="GPU lost",
    ),
    Case(
        "an error within the stream, as text",
        "openai",
        (sse(delta(content="a"), {"error": "GPU lost"}),),
        error="model_error",
        words="GPU lost",
    ),
    Case(
        "an error within the stream, as an object of its own",
        "openai",
        (
            sse(
                delta(content="a"),
                {"object": "error", "message": "GPU lost", "type": "InternalServerError", "code": 500},
            ),
        ),
        error="model_error",
        words="GPU lost",
    ),
    Case(
        "an error within the stream that passes",
        "openai",
        (sse(delta(content="a"), {"error": {"message": "busy"}}), sse(delta(content="b"), STOP)),
        "b",
    ),
    Case(
        "a chunk that is no JSON and that passes",
        "openai",
        (sse(delta(content="a"), 'data: {"id": "x", "cho\n\n', STOP), sse(delta(content="b"), STOP)),
        "b",
    ),
    Case(
        "a chunk that is no JSON",
        "openai",
        (sse(delta(content="a"), 'data: {"id": "x", "cho\n\n', STOP),),
        error="model_nonsense",
        words="JSONDecodeError",
    ),
    Case(
        "a chunk without a delta",
        "openai",
        (sse({**delta(), "choices": [{"index": 0}]}, delta(content="a"), STOP),),
        "a",
    ),
    Case("choices of null", "openai", (sse({**delta(), "choices": None}, delta(content="a"), STOP),), "a"),
    Case("a comment and an empty line", "openai", (sse(": hello\n\n", "\n", delta(content="a"), STOP),), "a"),
    Case("content in parts", "openai", (sse(delta(content=[{"type": "text", "text": "a"}]), STOP),), "a"),
    Case("another role", "openai", (sse(delta(role="user", content="a"), STOP),), "a"),
    Case(
        "the provider's words",
        "openai",
        (problem(400, "Unrecognized argument: foo"),),
        error="model_refused",
        words="foo",
    ),
    Case("a wrong key", "openai", (problem(401, "bad key"),), error="model_key_refused", words="OPENAI_API_KEY"),
    Case(
        "an error that is an image",
        "openai",
        (Reply((b"\x89PNG\r\n\x1a\n\x00",), 500, {"Content-Type": "image/png"}),),
        error="model_error",
        words="(500)",
    ),
    Case(
        "no tools",
        "openai",
        (problem(400, "This model does not support tools."), sse(delta(content="a"), STOP)),
        "a",
        notices=("model_without_tools",),
    ),
    Case(
        "no tools, also without any",
        "openai",
        (problem(400, "m does not support tools"),),
        notices=("model_without_tools",),
        error="model_refused",
        words="support tools",
    ),
    Case(
        "too long",
        "openai",
        (problem(400, "This model's maximum context length is 10 tokens"),),
        error="model_context_exceeded",
        words="AIOPS_CONTEXT_TOKENS",
    ),
]
