"""What a run, a worker or a disk cannot bear ends in a clear state, and everything else goes on."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from config.local import processes
from tests.acceptance.matrix.asking import Asker
from tests.acceptance.matrix.conftest import Pairing
from tests.acceptance.system import eventually


def id_in(pairing: Pairing, run: str) -> str:
    return run if pairing.database else run.replace("-", "")


def fill(path: Path) -> None:
    with suppress(OSError), path.open("wb", buffering=0) as file:
        while True:
            file.write(b"x" * 100_000)


MORE_THAN_SLEEPERS_HOLD = 24
"""RabbitMQ hands each of two suspended workers eight messages all the same."""


@pytest.fixture
def alone(pairing: Pairing) -> Iterator[None]:
    """The pairing's own run workers sleep meanwhile."""
    for worker in pairing.system.processes("-Q runs"):
        worker.suspend()
    yield
    for worker in pairing.system.processes("-Q runs"):
        worker.resume()


def test_a_run_whose_workers_keep_dying_is_given_up_and_says_why(pairing: Pairing) -> None:
    system = pairing.system
    accepted = system.ask("a story", {"words": 100, "pause": 0.05})
    run_id = accepted["run"]["id"]
    worker = system.until(run_id, "run.started")["worker"]
    with system.client() as client:  # the first words may be cut in the middle: a secret could begin there
        eventually(lambda: (client.get(f"/api/runs/{run_id}/").json()["partial"] or "").startswith("w0"))
    system.write("UPDATE runs_run SET attempts = 50 WHERE id = ?", id_in(pairing, run_id))
    system.signal(signal.SIGKILL, worker=worker)
    run = system.ended(run_id)
    assert (run["state"], run["error"]["code"]) == ("failed", "poisoned")
    assert run["partial"].startswith("w0")
    assert [event.event for event in system.events(run_id)][-1] == "run.failed"
    after = system.ask("and now?", {"words": 3}, conversation=accepted["conversation"])
    assert system.ended(after["run"]["id"])["answer"] == "w0 w1 w2"


def test_a_worker_above_its_memory_limit_hands_its_runs_on_and_ends(
    pairing: Pairing, asker: Asker, alone: None, tmp_path: Path
) -> None:
    home = pairing.system.home
    env = {**pairing.system.env, "AIOPS_WORKER_MEMORY_MB": "30", "AIOPS_HEARTBEAT_S": "8", "AIOPS_LEASE_S": "20"}
    env |= {"AIOPS_SECRET_KEY_FILE": str(home / "secret_key")}
    asker.ask(MORE_THAN_SLEEPERS_HOLD, words=200, pause_s=0.05)  # they wait, so that it has some from its first moment
    with (tmp_path / "log").open("w+") as log:
        worker = subprocess.Popen(processes.worker_runs(9, concurrency=20), env=env, stdout=log, stderr=log)
        assert worker.wait(timeout=60) == 0
        said = (tmp_path / "log").read_text()
    assert "worker.too_large" in said
    assert "run.drained" in said  # a sleeping worker may have taken the others from the queue
    ids = ", ".join(f"'{id_in(pairing, one.run)}'" for one in asker.asked)
    counted = pairing.system.rows(f"SELECT sum(attempts) FROM runs_run WHERE id IN ({ids})")
    for each in pairing.system.processes("-Q runs"):
        each.resume()
    pairing.check(asker)
    assert counted == [(0,)], "handing on is no crash"


def test_a_full_disk_refuses_with_the_cause_and_loses_nothing(pairing: Pairing, asker: Asker) -> None:
    disk = pairing.disk
    if disk is None:
        pytest.skip("only root can mount a small disk")
    asker.ask(15, words=60, pause_s=0.05)
    ballast = disk / "ballast"
    begun = time.monotonic()
    try:
        fill(ballast)
        answers = []
        while time.monotonic() - begun < 5:
            with pairing.system.client() as client:
                answers.append(client.post("/api/chat/", json={"message": "x" * 30_000}))
        assert {answer.status_code for answer in answers} <= {202, 503}
        refused = [answer.json() for answer in answers if answer.status_code == 503]
        assert refused, "the disk was not full"
        assert {problem["detail"] for problem in refused} == {
            "The disk of the database is full: make room. Nothing was changed."
        }
    finally:
        ballast.unlink()
    pairing.settle()  # PostgreSQL gives itself up when it cannot write its log
    asker.ask(5)
    pairing.settle()
    pairing.check(asker, tidy=False)
