"""What a stream of chunks says, and how it ended: nothing is guessed."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.messages import AIMessageChunk
from langchain_core.messages.tool import tool_call_chunk

from aiops.agent.answer import Answer, Call, End


def piece(args: str | None = "", *, name: str | None = None, id_: str | None = None, index: int | None = 0) -> Any:
    return AIMessageChunk("", tool_call_chunks=[tool_call_chunk(name=name, args=args, id=id_, index=index)])


def finish(reason: str, **metadata: Any) -> AIMessageChunk:
    return AIMessageChunk("", response_metadata={"finish_reason": reason, **metadata})


def gathered(*chunks: AIMessageChunk) -> Answer:
    answer = Answer()
    for chunk in chunks:
        answer.add(chunk)
    return answer


@pytest.mark.parametrize(
    ("written", "problem"),
    [
        ('{"text": "delete /srv/backup/old-2019', "not valid JSON"),
        ("{bad", "not valid JSON"),
        ('["a"]', "not a JSON object"),
        ("null", "not a JSON object"),
        ('{"a": 1} {"b": 2}', "not valid JSON"),
        ('{"a":' * 60 + "1" + "}" * 60, "nested deeper"),
        ("[" * 100_000, "nested"),
    ],
)
def test_arguments_are_never_completed_or_corrected(written: str, problem: str) -> None:
    [call] = gathered(piece(written, name="remove", id_="c")).calls()
    assert (call.name, call.arguments) == ("remove", {})
    assert problem in call.problem


@pytest.mark.parametrize("written", ["", "  ", "{}"])
def test_a_call_without_arguments_has_an_empty_object(written: str) -> None:
    assert gathered(piece(written, name="load", id_="c")).calls() == [Call("load", {}, "c")]


def test_arguments_are_cleaned_of_what_no_server_can_be_sent() -> None:
    [call] = gathered(piece('{"a": "x\\ud83d", "b": 1e999, "c": 123456789012345678901234567890}', name="t")).calls()
    assert call.arguments == {"a": "x\ufffd", "b": None, "c": "123456789012345678901234567890"}


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        pytest.param(
            [piece('{"a"', name="f", id_="1"), piece(": 1}"), piece('{"b": 2}', name="g", id_="2", index=1)],
            [Call("f", {"a": 1}, "1"), Call("g", {"b": 2}, "2")],
            id="by index",
        ),
        pytest.param(
            [piece('{"a": 1}', name="f", id_="1"), piece('{"b"', name="g", id_="2"), piece(": 2}")],
            [Call("f", {"a": 1}, "1"), Call("g", {"b": 2}, "2")],
            id="two calls share index 0",
        ),
        pytest.param(
            [
                piece('{"a"', name="f", id_="1"),
                piece('{"b"', name="g", id_="2"),
                piece(": 1}", id_="1"),
                piece(": 2}", id_="2"),
            ],
            [Call("f", {"a": 1}, "1"), Call("g", {"b": 2}, "2")],
            id="two calls take turns under one index",
        ),
        pytest.param(
            [piece('{"a": 1}', name="f", id_="1", index=None), piece('{"b": 2}', name="g", id_="2", index=None)],
            [Call("f", {"a": 1}, "1"), Call("g", {"b": 2}, "2")],
            id="no index",
        ),
        pytest.param(
            [piece('{"a": 1}', name="f"), piece('{"a": 2}', name="f")],
            [Call("f", {"a": 1}), Call("f", {"a": 2})],
            id="no ids",
        ),
        pytest.param(
            [piece('{"a"', name="f", id_="1"), piece(": 1}", name="f", id_="1")],
            [Call("f", {"a": 1}, "1")],
            id="name and id in every piece",
        ),
        pytest.param(
            [piece(None, name="f"), piece('{"a": 1}', id_="1")], [Call("f", {"a": 1}, "1")], id="the id comes later"
        ),
        pytest.param(
            [piece('{"a": 1}', name="f", id_="call_0"), piece('{"a": 2}', name="f", id_="call_0", index=1)],
            [Call("f", {"a": 1}, "call_0"), Call("f", {"a": 2}, "call_0")],
            id="one id for two calls",
        ),
    ],
)
def test_pieces_of_calls_are_put_together(pieces: list[Any], expected: list[Call]) -> None:
    assert gathered(*pieces).calls() == expected


def test_arguments_of_any_depth_spoil_no_call_that_shares_their_index() -> None:
    deep, whole = gathered(piece("[" * 100_000, name="f", id_="1"), piece("{}", name="g", id_="2")).calls()
    assert ("nested" in deep.problem, whole) == (True, Call("g", {}, "2"))
    assert gathered(piece("[" * 100_000, name="f"), piece("", name="g")).calls()[0].problem


@pytest.mark.parametrize(
    ("chunks", "expected"),
    [
        ([AIMessageChunk("hello"), finish("stop")], End.COMPLETE),
        ([AIMessageChunk("hello"), finish("STOP")], End.COMPLETE),
        ([AIMessageChunk("hello"), AIMessageChunk("", response_metadata={"done_reason": "length"})], End.CUT),
        ([AIMessageChunk("hello"), finish("max_tokens")], End.CUT),
        ([AIMessageChunk("hello"), finish("content_filter")], End.FILTERED),
        ([AIMessageChunk("hello"), finish("network_error")], End.FAILED),
        ([AIMessageChunk("hello"), finish("something new")], End.UNMARKED),
        ([AIMessageChunk("hello"), AIMessageChunk("", response_metadata={"done": True})], End.UNMARKED),
        ([AIMessageChunk("hello")], End.BROKEN),
        ([AIMessageChunk("  "), finish("stop")], End.EMPTY),
        ([finish("stop")], End.EMPTY),
        ([AIMessageChunk("", additional_kwargs={"refusal": "I won't."}), finish("stop")], End.REFUSED),
        ([piece("{}", name="f"), finish("tool_calls")], End.COMPLETE),
        ([piece("{}", name="f"), finish("stop")], End.COMPLETE),
        ([piece("{}", name="f"), finish("length")], End.CUT),
        ([piece("{}", name="f"), AIMessageChunk("", response_metadata={"done": True})], End.BROKEN),
        ([piece("{}", name="f")], End.BROKEN),
    ],
)
def test_the_end_is_what_the_provider_said(chunks: list[AIMessageChunk], expected: End) -> None:
    assert gathered(*chunks).end(reports_finish=True) is expected


def test_a_provider_that_never_names_a_reason_has_its_words_believed_but_not_its_calls() -> None:
    assert gathered(AIMessageChunk("hello")).end(reports_finish=False) is End.UNMARKED
    assert gathered(piece("{}", name="f")).end(reports_finish=False) is End.BROKEN


def test_the_last_report_of_usage_counts() -> None:
    def used(into: int, out: int) -> AIMessageChunk:
        return AIMessageChunk(
            "", usage_metadata={"input_tokens": into, "output_tokens": out, "total_tokens": into + out}
        )

    assert gathered(used(7, 1), used(7, 2), used(7, 3)).usage == {
        "input_tokens": 7,
        "output_tokens": 3,
        "total_tokens": 10,
    }
    assert gathered(used(7, 0), used(0, 3)).usage == {"input_tokens": 7, "output_tokens": 3, "total_tokens": 10}


def test_thinking_and_a_refusals_words_are_kept_apart() -> None:
    answer = Answer()
    assert answer.add(AIMessageChunk("", additional_kwargs={"reasoning_content": "hm"})) == ("", "hm")
    assert answer.add(AIMessageChunk("a", additional_kwargs={"refusal": "no"})) == ("ano", "")
    assert answer.text == "ano"
