"""The heartbeat goes on whatever the database does."""

from __future__ import annotations

import threading
import time

import pytest
from django.conf import settings as django_settings
from django.db import InterfaceError

from aiops.conversations import transitions
from aiops.conversations.transitions import Claim
from aiops.runs.stopping import Stop, Why
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
    leases = Leases(settings, loop, worker="w", queue="runs")
    leases.take(Claim("run", 1), Stop(), since=time.monotonic())
    leases.start()
    until = time.monotonic() + 5
    while len(beats) < 3:
        assert time.monotonic() < until, "the heart has stopped"
        time.sleep(0.01)
    leases.end()
    loop.stop()


def test_a_renewal_that_hangs_does_not_keep_a_run_whose_lease_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    thawed = threading.Event()

    def renew(*_: object, **__: object) -> tuple[set[Claim], set[Claim]]:
        thawed.wait(10)
        return set(), set()

    monkeypatch.setattr(transitions, "renew", renew)
    loop = Loop()
    loop.start()
    settings = django_settings.SETTINGS.model_copy(update={"heartbeat_s": 0.05, "lease_s": 0.3})
    leases, stop = Leases(settings, loop, worker="w", queue="runs"), Stop()
    leases.take(Claim("run", 1), stop, since=time.monotonic())
    leases.start()
    until = time.monotonic() + 5
    while stop.why is not Why.LOST:
        assert time.monotonic() < until, "the frozen database kept the run"
        time.sleep(0.01)
    thawed.set()
    leases.end()
    loop.stop()


def test_a_claim_that_took_longer_than_its_lease_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    loop = Loop()
    loop.start()
    settings = django_settings.SETTINGS.model_copy(update={"heartbeat_s": 0.05, "lease_s": 5})
    leases, stop = Leases(settings, loop, worker="w", queue="runs"), Stop()
    monkeypatch.setattr(transitions, "renew", lambda claims, **_: (set(), set()))
    monkeypatch.setattr(leases, "_renew", lambda held: None)
    leases.take(Claim("run", 1), stop, since=time.monotonic() - 6)
    leases.start()
    until = time.monotonic() + 5
    while stop.why is not Why.LOST:
        assert time.monotonic() < until, "a lease that had ended was kept"
        time.sleep(0.01)
    leases.end()
    loop.stop()
