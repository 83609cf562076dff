"""What the audit log hashes: the values as both databases return them."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from aiops.audit.hashing import GENESIS, MAX_DETAILS_BYTES, MAX_SAFE, hash_of, storable, text, time_text

ANN = UUID(int=7)
AT = datetime(2026, 11, 28, 1, 2, 3, 4, UTC)
JSON_VALUES: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters()), inner, max_size=4),
    max_leaves=20,
)


@dataclass(frozen=True)
class Row:
    sequence: int = 1
    at: datetime = AT
    actor: str = "ann"
    actor_id: UUID | None = ANN
    action: str = "sign_out"
    object: str = "user:ann"
    details: dict[str, Any] = field(default_factory=lambda: {"a": 1})
    previous_hash: str = GENESIS


@pytest.mark.parametrize(
    "change",
    [
        {"sequence": 2},
        {"at": AT + timedelta(microseconds=1)},
        {"actor": "Ann"},
        {"actor_id": None},
        {"action": "sign_in.succeeded"},
        {"object": "user:an"},
        {"details": {"a": 2}},
        {"details": {}},
        {"previous_hash": "1" * 64},
    ],
)
def test_each_column_changes_the_hash_of_a_row(change: dict[str, Any]) -> None:
    assert hash_of(replace(Row(), **change)) != hash_of(Row())


def test_the_hash_of_a_row_never_changes_between_versions() -> None:
    assert hash_of(Row()) == "ad0957e7d066b9da2418fa27a9c9ec4e63099aca5ca8caf95f4929eb6d4f3c38"


def test_the_order_of_keys_and_the_time_zone_do_not_change_the_hash() -> None:
    moved = AT.astimezone(timezone(timedelta(hours=5, minutes=45)))
    one = replace(Row(), details={"b": "ä", "a": [1.5, None]})
    other = replace(Row(), details={"a": [1.5, None], "b": "ä"}, at=moved)
    assert hash_of(one) == hash_of(other)


def test_times_have_all_six_digits() -> None:
    assert time_text(AT.replace(microsecond=0)) == "2026-11-28T01:02:03.000000+00:00"


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        (MAX_SAFE, MAX_SAFE),
        (MAX_SAFE + 1, str(MAX_SAFE + 1)),
        (-(2**70), str(-(2**70))),
        (1.0, 1),
        (-0.0, 0),
        (0.1, 0.1),
        (5e-324, 5e-324),
        (1e22, "1e+22"),
        (float("nan"), "nan"),
        (float("inf"), "inf"),
        ("a\0b\ud800", "a\ufffdb\ufffd"),
        ({1: UUID(int=1)}, {"1": str(UUID(int=1))}),
        ((1, {2}), [1, [2]]),
        (True, True),
    ],
)
def test_values_without_a_common_form_become_ones_that_have_it(value: Any, stored: Any) -> None:
    made = storable({"value": value})["value"]
    assert made == stored
    assert type(made) is type(stored)


def test_an_integer_of_a_million_digits_is_recorded() -> None:
    assert str(storable({"value": 1 << 4_000_000})["value"]).startswith("0x1000")


def test_a_value_that_is_nested_too_deep_is_recorded_without_its_depth() -> None:
    deep: Any = []
    for _ in range(100_000):
        deep = [deep]
    assert "…" in json.dumps(storable({"value": deep}), ensure_ascii=False)


def test_of_large_details_the_beginning_and_a_hash_are_kept() -> None:
    made = storable({f"name {n}": "x" * 1_000 for n in range(100)})
    assert sorted(made) == ["bytes", "cut", "sha256"]
    assert made["bytes"] > 100_000
    assert len(rfc8785.dumps(made)) < MAX_DETAILS_BYTES


@given(JSON_VALUES)
def test_whatever_is_recorded_has_a_canonical_form_that_json_does_not_change(value: Any) -> None:
    made = storable({"value": value})
    again = json.loads(json.dumps(made))
    assert rfc8785.dumps(again) == rfc8785.dumps(made)
    assert storable(made) == made


def test_names_of_actors_and_objects_fit_on_one_line() -> None:
    assert text("an\nn\x1b[31m\0 " + "x" * 400, most=20) == "an n xxxxxxxxxxxxxx…"
