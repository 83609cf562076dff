"""Schemas that others wrote are compiled without the network, and answers held against them with reasons."""

from __future__ import annotations

import pytest

from aiops import schemas
from aiops.schemas import BadSchema, Schema

SEVERITY = {"type": "object", "properties": {"severity": {"type": "integer"}}, "required": ["severity"]}


@pytest.mark.parametrize("text", ['{"severity": 1}', ' ```json\n{"severity": 1}\n``` ', '```\n{"severity": 1}\n```'])
def test_an_answer_that_fits_has_no_problems_also_in_a_fence(text: str) -> None:
    assert Schema(SEVERITY).problems(text) == []
    assert schemas.read(text) == {"severity": 1}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("severe", "It is not JSON: Expecting value"),
        ("[" * 100_000, "It is not JSON: it is nested too deep"),
        ("{}", 'the whole: "severity" is a required property'),
        ('{"severity": "x"}', 'severity: "x" is not of type "integer"'),
    ],
)
def test_an_answer_that_does_not_fit_its_schema_says_why(text: str, problem: str) -> None:
    assert Schema(SEVERITY).problems(text)[0].startswith(problem)


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "nope"},
        {"$ref": "http://127.0.0.1/x"},
        {"$ref": "file:///etc/passwd"},
        {"$schema": "http://127.0.0.1/x"},
        {"type": "string", "pattern": "(?=a)b"},
        {"type": "string", "pattern": r"(a)\1"},
    ],
)
def test_a_schema_that_reaches_elsewhere_or_backtracks_is_refused(schema: dict) -> None:
    with pytest.raises(BadSchema):
        Schema(schema)


def test_a_pattern_that_would_take_years_elsewhere_ends_at_once() -> None:
    assert Schema({"type": "string", "pattern": "^(a+)+$"}).problems('"' + "a" * 40 + '!"')


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ('{"x": NaN}', "x: It is not a finite number."),
        ('{"x": [1e999]}', "x.0: It is not a finite number."),
        ('{"x": "\\ud83d"}', "x: It has half a surrogate pair"),
        ('{"x": "\\u0000"}', "x: It has a NUL character."),
        ("[" * 101 + "]" * 101, "nested deeper than 100"),
        ("[" * 100_000, "nested too deep"),
    ],
)
def test_what_could_not_be_handed_on_as_json_is_no_answer(answer: str, reason: str) -> None:
    (problem,) = schemas.compiled("{}").problems(answer)
    assert problem.startswith("It is not JSON: ")
    assert reason in problem
