"""The fields of system prompts: known ones are replaced, all others refused."""

from __future__ import annotations

import pytest

from aiops.system_prompts import fields

VALUES = {"current_date": "2026-11-27", "current_month": "November 2026", "model_name": "m", "tool_names": "a, b"}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{city}", "There is no field {city}"),
        ("{}", "There is no field {}"),
        ("{model_name.__class__}", "There is no field"),
        ("{model_name[0]}", "There is no field"),
        ("{model_name!r}", "takes no format"),
        ("{model_name:>9}", "takes no format"),
        ("{", "}}"),
        ("}", "}}"),
    ],
)
def test_what_is_no_field_is_refused_with_those_that_are(text: str, why: str) -> None:
    assert why in fields.problem(text)


def test_fields_are_replaced_and_doubled_braces_are_braces() -> None:
    text = "{current_date} {current_month} {model_name} {tool_names} {{x}} {user}"
    assert fields.problem(text) == ""
    assert fields.fill(text, VALUES) == f"2026-11-27 November 2026 m a, b {{x}} {fields.MARK}"


def test_a_value_that_looks_like_a_field_is_not_replaced_again() -> None:
    assert fields.fill("{tool_names}", {**VALUES, "tool_names": "{user}"}) == "{user}"


def test_whether_a_field_is_used_is_known() -> None:
    assert fields.uses("for {user}", "user")
    assert not fields.uses("for {{user}}", "user")
