"""Secrets never pass, whole or in pieces."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiops.events.redaction import MASK, Redactor
from config import env

SECRET = "canary-4f9a-secret"
redactor = Redactor(values=[SECRET], patterns=[r"CARD-\d{4}"])


def streamed(text: str, sizes: list[int]) -> str:
    """Return what a stream shows of a text that comes in pieces."""
    shown, raw, at = "", "", 0
    for size in [*sizes, len(text)]:
        piece, at = text[at : at + size], at + size
        done, raw = redactor.split(raw + piece)
        shown += done
    return shown + redactor.redact(raw)


@pytest.mark.parametrize(
    "text",
    [
        SECRET,
        "CARD-1234",
        "sk-" + "a" * 24,
        "aiops_" + "b" * 43,
        "AKIA" + "Q" * 16,
        f"eyJ{'a' * 12}.eyJ{'b' * 12}.{'c' * 12}",
    ],
)
def test_a_secret_is_masked(text: str) -> None:
    assert redactor.redact(f"before {text} after") == f"before {MASK} after"


def test_ordinary_words_are_left_alone() -> None:
    text = "The canary sings; the secret is a risk-free task-list of sk- and AKIA."
    assert redactor.redact(text) == text


def test_a_short_value_hides_nothing() -> None:
    assert Redactor(values=["on"]).redact("on and on") == "on and on"


@given(st.lists(st.integers(1, 9), max_size=30))
def test_a_secret_cut_into_pieces_never_shows(sizes: list[int]) -> None:
    shown = streamed(f"x {SECRET} y CARD-1234 z {SECRET}", sizes)
    assert shown == f"x {MASK} y {MASK} z {MASK}"


@given(st.text(max_size=200), st.lists(st.integers(1, 9), max_size=30))
def test_streaming_changes_nothing_that_redacting_the_whole_would_not(text: str, sizes: list[int]) -> None:
    assert streamed(text, sizes) == redactor.redact(text)


def test_only_a_possible_beginning_is_held_back() -> None:
    assert redactor.split("all of it") == ("all of it", "")
    assert redactor.split("all of it canary-4f") == ("all of it ", "canary-4f")


def test_json_is_redacted_in_keys_and_values() -> None:
    assert redactor.redact_json({SECRET: [SECRET, 1, None]}) == {MASK: [MASK, 1, None]}


def test_the_token_of_a_header_is_hidden_with_and_without_its_scheme(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIOPS_SECRET_NETBOX", "Bearer nbt-0123456789")
    known = Redactor.from_settings(env.read({}))
    assert known.redact("it says Bearer nbt-0123456789, or nbt-0123456789 alone") == f"it says {MASK}, or {MASK} alone"


@pytest.mark.parametrize("text", ["eyJ" * 20_000, "-----BEGIN PRIVATE KEY-----" * 2_000, "ghp_" * 10_000])
def test_what_only_looks_like_a_secret_costs_no_more_than_its_text(text: str) -> None:
    """A pattern that takes too long hides everything, so this fails where one backtracks."""
    assert redactor.redact(text).startswith(text[:3])


def test_characters_that_no_database_takes_are_replaced_by_redaction() -> None:
    assert redactor.redact("a\x00b\ud800c") == "a\ufffdb\ufffdc"
    assert redactor.split("a\x00b") == ("a\ufffdb", "")
    assert redactor.redact_json({"k": ["\x00"]}) == {"k": ["\ufffd"]}


def test_a_secret_is_hidden_as_json_writes_it_too() -> None:
    known = Redactor(values=['pass"word\\ü-long'])
    assert known.redact(json.dumps({"p": 'pass"word\\ü-long'})) == json.dumps({"p": MASK})
    key = "-----BEGIN PRIVATE KEY-----\nMIIEvQ==\n-----END PRIVATE KEY-----"
    assert "MIIEvQ" not in known.redact(json.dumps({"key": key}))


def test_the_secrets_of_a_servers_address_are_known() -> None:
    servers = {"x": {"url": "https://ann:url-password@x.example/mcp?api_key=QUERY-SECRET-1"}}
    known = Redactor.from_settings(env.read({"AIOPS_TOOL_SERVERS": json.dumps(servers)}))
    assert known.redact("url-password QUERY-SECRET-1") == f"{MASK} {MASK}"


@given(st.text("a\0\ud83d\ude00 sk-", max_size=40), st.lists(st.integers(1, 3), max_size=30))
def test_a_pair_cut_into_its_halves_is_one_character(text: str, sizes: list[int]) -> None:
    assert streamed(text, sizes) == redactor.redact(text)


def test_each_previous_secret_key_is_masked() -> None:
    first, second = "a7" * 30, "b9" * 30
    settings = env.read({"AIOPS_SECRET_KEY": "k" * 60, "AIOPS_SECRET_KEY_FALLBACKS": f"{first}, {second}"})
    shown = Redactor.from_settings(settings).redact(f"first {first} second {second}")
    assert shown == f"first {MASK} second {MASK}"
