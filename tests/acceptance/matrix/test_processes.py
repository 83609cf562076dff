"""Processes die, stop and are replaced while questions are asked: each is answered once."""

from __future__ import annotations

import random
import signal
import time
from contextlib import suppress

import psutil
import pytest

from tests.acceptance.matrix.asking import Asker
from tests.acceptance.matrix.checker import UNFINISHED
from tests.acceptance.matrix.conftest import Pairing
from tests.acceptance.matrix.scale import ROUNDS
from tests.acceptance.system import eventually

VICTIMS = ("-Q runs", "uvicorn", "-Q runs", "-Q upkeep", "config.local.forkserver", "-Q runs", "config beat")


def kill_one(pairing: Pairing, part: str, number: signal.Signals = signal.SIGKILL) -> None:
    found = eventually(lambda: pairing.system.processes(part), what=f"a process {part}")
    with suppress(psutil.NoSuchProcess):  # it ended just now
        random.choice(found).send_signal(number)


def unfinished(pairing: Pairing) -> int:
    return int(pairing.system.rows(UNFINISHED)[0][0])


@pytest.mark.timeout(400)
def test_rounds_of_kills_lose_nothing_and_do_nothing_twice(pairing: Pairing, asker: Asker) -> None:
    for n in range(ROUNDS):
        asker.ask(20)
        eventually(lambda: unfinished(pairing) < 40, within_s=60, what="progress")
        time.sleep(random.random() * 0.3)  # the moment of the kill is what varies
        kill_one(pairing, VICTIMS[n % len(VICTIMS)])
    pairing.settle()
    pairing.check(asker)


def test_a_rolling_restart_under_load_counts_no_attempt(pairing: Pairing, asker: Asker) -> None:
    asker.ask(20, words=40, pause_s=0.05)
    for old in pairing.system.processes("-Q runs"):
        before = len(pairing.system.processes("-Q runs"))
        old.send_signal(signal.SIGTERM)
        asker.ask(10)
        eventually(lambda old=old: not old.is_running(), within_s=20, what="the end of the old worker")
        eventually(lambda before=before: len(pairing.system.processes("-Q runs")) == before, what="a new worker")
    for part in ("-Q upkeep", "config beat", "uvicorn"):
        kill_one(pairing, part, signal.SIGTERM)
        asker.ask(5)
    pairing.settle()
    pairing.check(asker)
    counted = "SELECT sum(attempts) FROM runs_run WHERE id IN (%s)"
    ids = ", ".join(f"'{one.run if pairing.database else one.run.replace('-', '')}'" for one in asker.asked)
    assert pairing.system.rows(counted % ids) == [(0,)]


def test_every_message_delivered_three_times_is_answered_once(pairing: Pairing, asker: Asker) -> None:
    asked = asker.ask(20)
    again = [one.run for one in asked]
    pairing.system.manage(f"from aiops import dispatch\nfor _ in range(2):\n for run in {again}: dispatch.run(run)")
    pairing.check(asker)
