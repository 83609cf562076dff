"""The heartbeat goes on whatever the database does."""

from __future__ import annotations

import time

import pytest
from django.conf import settings as django_settings
from django.db import InterfaceError

from aiops.conversations import transitions
from aiops.conversations.transitions import Claim
from aiops.runs.stopping import Stop
from workers.leases import Leases
from workers.loop import Loop


@pytest.mark.parametrize("error", [InterfaceError("connection already closed"), RuntimeError("anything")])
def test_a_heartbeat_that_fails_beats_again(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    beats: list[float] = []

    def renew(*_: object, **__: object) -> tuple[set[Claim], set[Claim]]:
        beats.append(time.monotonic())
        raise error

    monkeypatch.setattr(transitions, "renew", renew)
    loop = Loop()
    loop.start()
    settings = django_settings.SETTINGS.model_copy(update={"heartbeat_s": 0.02})
    leases = Leases(settings, loop, worker="w")
    leases.take(Claim("run", 1), Stop())
    leases.start()
    until = time.monotonic() + 5
    while len(beats) < 3:
        assert time.monotonic() < until, "the heart has stopped"
        time.sleep(0.01)
    leases.end()
    leases._thread.join(timeout=5)
    loop.stop()
