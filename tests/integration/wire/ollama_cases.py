"""What servers with Ollama's chat API send."""

from __future__ import annotations

from tests.integration.wire.case import Case
from tests.integration.wire.raw_server import ndjson, ollama_problem, part

CASES = [
    Case("words", "ollama", (ndjson(part("a b"), part(" c"), part(done="stop")),), "a b c"),
    Case(
        "a call",
        "ollama",
        (ndjson(part(tool_calls=[{"function": {"name": "look", "arguments": {"a": 1}}}]), part(done="stop")),),
        made=[("look", {"a": 1})],
    ),
    Case(
        "arguments that repeat the function's name or hold JSON as text",
        "ollama",
        (
            ndjson(
                part(tool_calls=[{"function": {"name": "f", "arguments": {"functionName": "f", "config": "[1]"}}}]),
                part(done="stop"),
            ),
        ),
        made=[("f", {"functionName": "f", "config": "[1]"})],
    ),
    Case(
        "arguments cut at the limit",
        "ollama",
        (ndjson(part(tool_calls=[{"function": {"name": "look", "arguments": {"a": 1}}}]), part(done="length")),),
        results=("limit of tokens (length)", "not made"),
    ),
    Case("thinking", "ollama", (ndjson(part(thinking="hm"), part("a"), part(done="stop")),), "a", thought="hm"),
    Case(
        "usage",
        "ollama",
        (ndjson(part("a"), {**part(done="stop"), "prompt_eval_count": 7, "eval_count": 3}),),
        "a",
        usage=(7, 3),
    ),
    Case(
        "a line that is no JSON and that passes",
        "ollama",
        (ndjson(part("a"), '{"model": "m", "mess', part(done="stop")), ndjson(part("b"), part(done="stop"))),
        "b",
    ),
    Case(
        "an answer cut at the limit",
        "ollama",
        (ndjson(part("a b"), part(done="length")),),
        "a b",
        notices=("answer_cut",),
    ),
    Case("nothing", "ollama", (ndjson(part(done="stop")),), error="model_empty", words="(stop)"),
    Case("a model that was only loaded", "ollama", (ndjson(part(done="load")),), error="model_empty", words="(load)"),
    Case("no end", "ollama", (ndjson(part("a")),), error="model_unreachable"),
    Case("a broken connection", "ollama", (ndjson(part("a"), whole=False),), error="model_unreachable"),
    Case(
        "an error within the stream",
        "ollama",
        (ndjson(part("a"), {"error": "an error was encountered while running the model: GPU lost"}),),
        error="model_error",
        words="GPU lost",
    ),
    Case(
        "the provider's words",
        "ollama",
        (ollama_problem(400, "unknown option foo"),),
        error="model_refused",
        words="foo",
    ),
    Case(
        "an unknown model",
        "ollama",
        (ollama_problem(404, 'model "m" not found'),),
        error="model_not_found",
        words="not found",
    ),
    Case(
        "no tools",
        "ollama",
        (
            ollama_problem(400, "registry.ollama.ai/library/m does not support tools"),
            ndjson(part("a"), part(done="stop")),
        ),
        "a",
        notices=("model_without_tools",),
    ),
]
