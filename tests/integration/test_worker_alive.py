"""A worker's sign of life ends when what it needs stands still, and not while it waits for its broker."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from aiops import alive
from aiops.alive import Sign
from workers import alive as worker


def test_a_worker_shows_no_sign_of_life_while_its_consumer_or_loop_stands_still(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    late_s = [0.0]
    watch = worker.Watch(Sign("worker", tmp_path))
    watch.add(lambda: late_s[0])
    assert watch.moves()
    watch.turned()
    assert watch.moves()
    later = time.monotonic() + alive.SILENT_S + 1
    monkeypatch.setattr(worker.time, "monotonic", lambda: later)
    assert not watch.moves()
    watch.waits()  # for its broker
    assert watch.moves()
    late_s[0] = alive.SILENT_S + 1
    assert not watch.moves()
