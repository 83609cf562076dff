"""Lines that were written for other services' batches: what they ask for is done, or named as what cannot be done."""

from __future__ import annotations

import json
from typing import Any

import pytest

from aiops.batches.reading.lines import as_jsonl, as_row, read
from aiops.batches.reading.values import Line, Rules

RULES = Rules(max_message_bytes=1_000, max_line_bytes=10_000)
URL = "/v1/chat/completions"
ASKED = [{"role": "user", "content": "why?"}]


def line(row: dict[str, Any], rules: Rules = RULES) -> Line:
    (found,) = read([json.dumps(row).encode()], "jsonl", rules)
    return found


def openai(**body: Any) -> dict[str, Any]:
    return {"custom_id": "r-1", "method": "POST", "url": URL, "body": {"messages": ASKED, **body}}


def test_a_line_for_openai_is_understood() -> None:
    schema = {"type": "object", "required": ["severity"]}
    found = line(
        openai(
            model="gpt-4o-mini",
            messages=[
                {"role": "system", "content": "Be brief."},
                {"role": "developer", "content": [{"type": "text", "text": "In German."}]},
                {"role": "user", "content": "first", "name": None},
                {"role": "assistant", "content": "second"},
                {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
            ],
            max_completion_tokens=50,
            max_tokens=70,
            temperature=0,
            response_format={"type": "json_schema", "json_schema": {"name": "x", "strict": True, "schema": schema}},
            n=1,
            stream=False,
            user="u-7",
            top_p=1.0,
        )
    )
    assert (found.custom_id, found.problem) == ("r-1", "")
    said = [(m["role"], m["text"]) for m in found.messages]
    assert said == [("user", "first"), ("assistant", "second"), ("user", "a\nb")]
    assert found.options == {
        "model": "gpt-4o-mini",
        "instructions": "Be brief.\n\nIn German.",
        "temperature": 0,
        "max_tokens": 50,
        "response_schema": schema,
    }


def test_a_line_for_anthropic_is_understood() -> None:
    found = line(
        {
            "custom_id": "a",
            "params": {
                "model": "claude-opus-4-1",
                "max_tokens": 1024,
                "system": [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}],
                "messages": [{"role": "user", "content": [{"type": "text", "text": "why?"}]}],
            },
        }
    )
    assert not found.problem
    assert found.messages == [{"role": "user", "text": "why?"}]
    assert found.options == {"model": "claude-opus-4-1", "instructions": "Be brief.", "max_tokens": 1024}


def test_a_line_for_mistral_is_understood() -> None:
    found = line({"custom_id": "0", "body": {"max_tokens": 100, "messages": ASKED}})
    assert (found.custom_id, found.problem, found.options) == ("0", "", {"max_tokens": 100})


def test_an_answer_that_shall_be_any_json_object_must_be_one() -> None:
    assert line(openai(response_format={"type": "json_object"})).options == {"response_schema": {"type": "object"}}
    assert line(openai(response_format={"type": "text"})).options == {}


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ({**openai(), "url": "/v1/embeddings"}, "Only /v1/chat/completions can be answered, not /v1/embeddings."),
        ({**openai(), "url": 5}, "not 5"),
        ({**openai(), "method": "GET"}, "Only POST can be sent."),
        ({**openai(), "extra": 1}, "There is no such field: extra."),
        ({"custom_id": "a", "body": []}, "body must be an object."),
        ({"custom_id": "a", "params": {}}, "messages must be a list."),
        (openai(n=2), "It asks for n = 2, which cannot be done here."),
        (openai(n=True), "It asks for n = True"),
        (openai(stream=True), "It asks for stream = True"),
        (openai(top_p=0.5), "It asks for top_p = 0.5"),
        (openai(tools=[{"type": "function"}]), "It asks for tools, which"),
        (openai(seed=1), "It asks for seed = 1"),
        (openai(messages=[{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]), "'image_url'"),
        (openai(messages=[{"role": "user", "content": None}]), "must be a text or a list of parts"),
        (openai(messages=[{"role": "tool", "tool_call_id": "1", "content": "x"}]), "A message has tool_call_id"),
        (openai(messages=[{"role": "tool", "content": "x"}]), "A role is one of user, assistant."),
        (openai(messages=["x"]), "Each message must be an object."),
        (openai(messages=[]), "messages must be a list of 1 to 100."),
        (openai(messages=[{"role": "system", "content": "x"}]), "messages must be a list of 1 to 100."),
        (openai(temperature=3), "temperature must be a number from 0 to 2."),
        (openai(temperature=True), "temperature must be a number from 0 to 2."),
        (openai(max_tokens=0), "max_tokens must be a whole number"),
        (openai(max_tokens=1.5), "max_tokens must be a whole number"),
        (openai(model=5), "model must be a printable text"),
        (openai(response_format={"type": "xml"}), "response_format must be of the type"),
        (openai(response_format={"type": "json_schema"}), "response_format has no json_schema.schema."),
        (openai(response_format={"type": "json_schema", "json_schema": {"schema": {"type": 5}}}), "not a JSON Schema"),
        (openai(messages=[*ASKED, {"role": "system", "content": "x" * 1_001}, *ASKED]), "instructions has 1001 bytes"),
    ],
)
def test_what_a_line_asks_for_and_cannot_be_done_is_its_problem(row: dict[str, Any], why: str) -> None:
    assert why in line(row).problem


def test_the_model_of_lines_is_left_out_when_it_shall_be_ignored() -> None:
    rules = Rules(max_message_bytes=1_000, max_line_bytes=10_000, ignore_model=True)
    assert line(openai(model="gpt-4o-mini"), rules).options == {}
    assert line({"prompt": "a", "model": "m"}, rules).options == {}


def test_with_a_template_fields_of_any_name_are_data() -> None:
    rules = Rules(max_message_bytes=1_000, max_line_bytes=10_000, template="{{body}} {{params}}")
    assert line({"body": "x", "params": "y"}, rules).messages[0]["text"] == "x y"


def test_a_line_is_the_same_when_it_is_written_in_our_form() -> None:
    first = line(openai(temperature=1, max_tokens=5, response_format={"type": "json_object"}, model="m"))
    (again,) = read([as_jsonl([as_row(first)])], "jsonl", RULES)
    assert again == first
