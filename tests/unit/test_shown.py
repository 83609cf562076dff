"""Durations are written in one way, on pages and in the terminal."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from aiops.terminal.text import span, when


@pytest.fixture
def zone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (None, "-"),
        (0, "0 s"),
        (0.4, "0.4 s"),
        (3, "3 s"),
        (3.04, "3 s"),
        (9.97, "10 s"),
        (119, "119 s"),
        (240, "4 min"),
        (7_199, "120 min"),
        (18_000, "5 h"),
        (172_800, "2 d"),
    ],
)
def test_a_duration_has_one_unit(seconds: float | None, shown: str) -> None:
    assert span(seconds) == shown


@pytest.mark.parametrize(
    ("zone", "shown"),
    [
        ("UTC", "2026-11-25 19:11 UTC"),
        ("Europe/Berlin", "2026-11-25 20:11 UTC+1"),
        ("Asia/Kolkata", "2026-11-26 00:41 UTC+5:30"),
        ("America/St_Johns", "2026-11-25 15:41 UTC-3:30"),
    ],
    indirect=["zone"],
)
def test_a_time_has_its_offset(zone: None, shown: str) -> None:
    assert when("2026-11-25T19:11:40.026Z") == shown
