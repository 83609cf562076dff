"""What a move does to single values, and the order of its tables."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from django.db import models
from hypothesis import given
from hypothesis import strategies as st

from config.moving.tables import BATCH_BYTES, BATCH_ROWS, batches, in_order
from config.moving.values import Column, Unfit, digest
from config.moving.verifying import Comparison, Sum, report

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner),
    max_leaves=10,
)


def column(field: Any, **limits: Any) -> Column:
    return Column(field, **{"strict": True, "lowest": None, "highest": None, "max_chars": None, **limits})


def as_jsonb(text: str) -> Any:
    """Return what is read of a JSON value after PostgreSQL stored it: it writes numbers without exponents."""
    return json.loads(text, parse_float=lambda number: _without_exponent(number) if "e" in number else float(number))


def _without_exponent(number: str) -> Any:
    plain = format(Decimal(number), "f")
    return float(plain) if "." in plain else int(plain)


@given(JSON)
def test_json_is_the_same_in_both_databases(value: Any) -> None:
    taken = column(models.JSONField())
    assert taken.canonical(as_jsonb(json.dumps(value))) == taken.canonical(value)


def test_values_that_differ_have_different_canonical_forms() -> None:
    taken = column(models.JSONField())
    values = [1, "1", True, 1.5, None, [], {}, [[]], "", {"a": 1}, {"a": "1"}, 2**53 + 1, 2**53, 0.1, "0.1"]
    forms = [taken.canonical(value) for value in values]
    assert len(set(forms)) == len(values)


def test_a_time_is_the_same_in_every_zone_to_the_microsecond() -> None:
    taken = column(models.DateTimeField())
    here = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=timezone(timedelta(hours=5, minutes=45)))
    assert taken.canonical(here) == taken.canonical(here.astimezone(UTC))
    assert taken.canonical(here) != taken.canonical(here + timedelta(microseconds=1))


def test_a_row_whose_columns_changed_places_has_another_digest() -> None:
    two = [column(models.TextField()), column(models.TextField())]
    assert len({digest(two, row) for row in (("ab", "c"), ("a", "bc"), ("c", "ab"), ("ab", None), (None, "ab"))}) == 5


@pytest.mark.parametrize("value", [b"\x00\xff", memoryview(b"\x00\xff")])
def test_bytes_are_themselves_however_the_driver_gives_them(value: Any) -> None:
    assert column(models.BinaryField()).canonical(value) == b"b\x00\xff"


def test_characters_that_postgresql_refuses_are_replaced_in_texts_and_json() -> None:
    assert column(models.TextField()).fit("a\x00b") == "a\ufffdb"
    assert column(models.JSONField()).fit({"\x00": ["\ud83d\ude00", "\ud83d", 10]}) == {"\ufffd": ["😀", "\ufffd", 10]}
    assert column(models.TextField(), strict=False).fit("a\x00b") == "a\x00b"


def test_what_is_not_finite_becomes_null_and_other_json_stays() -> None:
    assert column(models.JSONField()).fit([float("inf"), 1e300, 2**70]) == [None, 1e300, str(2**70)]
    assert column(models.JSONField()).fit([1e300, 2**70, "NUL"]) == [1e300, 2**70, "NUL"]


def test_what_the_target_has_no_room_for_is_refused() -> None:
    with pytest.raises(Unfit, match="it has 4 characters, and at most 3 are stored"):
        column(models.CharField(max_length=3), max_chars=3).fit("abcd")
    with pytest.raises(Unfit, match="2147483648 is outside 0 to 2147483647"):
        column(models.PositiveIntegerField(), lowest=0, highest=2**31 - 1).fit(2**31)
    assert column(models.CharField(max_length=3), max_chars=3).fit("😀é\u0301") == "😀é\u0301"


def test_batches_are_limited_by_rows_and_by_bytes() -> None:
    assert [len(batch) for batch in batches((n,) for n in range(2_500))] == [BATCH_ROWS, BATCH_ROWS, 500]
    large = "x" * (BATCH_BYTES // 3)
    assert [len(batch) for batch in batches((uuid.UUID(int=n), large) for n in range(7))] == [3, 3, 1]
    assert list(batches([])) == []


def test_what_is_referred_to_comes_first_and_a_cycle_is_one_group() -> None:
    assert in_order({"run": {"message"}, "message": {"chat"}, "chat": set(), "tree": {"tree"}}) == [
        ["chat"],
        ["tree"],
        ["message"],
        ["run"],
    ]
    assert in_order({"a": {"b"}, "b": {"a"}, "c": {"a"}, "d": set()}) == [["d"], ["a", "b", "c"]]


def test_the_report_shows_where_both_sides_differ() -> None:
    same, other = Sum(2, 7 << 250), Sum(1, 9 << 250)
    shown = report(
        [Comparison("a", same, same), Comparison("long_name", same, other), Comparison("c", *[Sum(0, 0)] * 2)]
    )
    lines = [line.split() for line in shown.splitlines()]
    assert lines[1][:2] == ["a", "2"]
    assert lines[2][:2] == ["long_name", "2"]
    assert lines[3][:4] == ["in", "the", "target", "1"]
    assert [line for line in shown.splitlines() if "DIFFERS" in line] == [shown.splitlines()[3]]
    assert lines[4] == ["all", "4", "and", "1", "tables", "without", "rows"]
