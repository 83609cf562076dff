"""The heartbeat goes on whatever the database does."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest
from django.conf import settings as django_settings
from django.db import InterfaceError

from aiops import keyspace
from aiops.runs import transitions
from aiops.runs.transitions import Claim
from aiops.runs.work.stopping import Stop, Why
from workers.leases import Leases
from workers.loop import Loop

Make = Callable[..., Leases]


@pytest.fixture
def make() -> Iterator[Make]:
    """Make leases with these settings, on a loop of their own; they end with the test."""
    loop, made = Loop(), []
    loop.start()

    def leases(**settings: float) -> Leases:
        changed = django_settings.SETTINGS.model_copy(update=settings)
        made.append(Leases(changed, loop, worker="w", queue="runs"))
        return made[-1]

    yield leases
    for one in made:
        one.end()
    loop.stop()


@pytest.fixture
def frozen(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A renewal hangs until the test has ended."""
    thawed = threading.Event()

    def renew(*_: object, **__: object) -> tuple[set[Claim], set[Claim]]:
        thawed.wait(10)
        return set(), set()

    monkeypatch.setattr(transitions, "renew", renew)
    yield
    thawed.set()


def wait_until(happened: Callable[[], bool], *, otherwise: str) -> None:
    until = time.monotonic() + 5
    while not happened():
        assert time.monotonic() < until, otherwise
        time.sleep(0.01)


@pytest.mark.parametrize("error", [InterfaceError("connection already closed"), RuntimeError("anything")])
def test_a_heartbeat_that_fails_beats_again(monkeypatch: pytest.MonkeyPatch, make: Make, error: Exception) -> None:
    beats: list[float] = []

    def renew(*_: object, **__: object) -> tuple[set[Claim], set[Claim]]:
        beats.append(time.monotonic())
        raise error

    monkeypatch.setattr(transitions, "renew", renew)
    leases = make(heartbeat_s=0.02)
    leases.take(Claim("run", 1), Stop(), since=time.monotonic())
    leases.start()
    wait_until(lambda: len(beats) >= 3, otherwise="the heart has stopped")


@pytest.mark.usefixtures("frozen")
def test_a_renewal_that_hangs_does_not_keep_a_run_whose_lease_has_ended(make: Make) -> None:
    leases, stop = make(heartbeat_s=0.05, lease_s=0.3), Stop()
    leases.take(Claim("run", 1), stop, since=time.monotonic())
    leases.start()
    wait_until(lambda: stop.why is Why.LOST, otherwise="the frozen database kept the run")


@pytest.mark.usefixtures("frozen")
def test_a_renewal_that_hangs_does_not_make_its_worker_look_dead(monkeypatch: pytest.MonkeyPatch, make: Make) -> None:
    shown: list[object] = []
    monkeypatch.setattr(keyspace, "show_worker", lambda *_, **options: shown.append(options))
    leases = make(heartbeat_s=0.02, lease_s=5)
    leases.take(Claim("run", 1), Stop(), since=time.monotonic())
    leases.start()
    wait_until(lambda: len(shown) >= 5, otherwise="others take it for dead")


def test_a_claim_that_took_longer_than_its_lease_is_given_up(monkeypatch: pytest.MonkeyPatch, make: Make) -> None:
    leases, stop = make(heartbeat_s=0.05, lease_s=5), Stop()
    monkeypatch.setattr(transitions, "renew", lambda claims, **_: (set(), set()))
    monkeypatch.setattr(leases, "_renew", lambda held: None)
    leases.take(Claim("run", 1), stop, since=time.monotonic() - 6)
    leases.start()
    wait_until(lambda: stop.why is Why.LOST, otherwise="a lease that had ended was kept")
