"""Whichever worker or message is lost, no run is lost and nothing is done twice."""

from __future__ import annotations

import signal
import subprocess
import time
import uuid
from pathlib import Path

import pytest

from tests.acceptance.conftest import SHORT
from tests.acceptance.faults.answered import SLOW, assert_answered_once, words
from tests.acceptance.model_server import ModelServer
from tests.acceptance.system import BIN, System, eventually
from tests.patience import Patience

pytestmark = pytest.mark.usefixtures("thaw")


def test_a_worker_killed_in_mid_stream_costs_at_most_fifteen_seconds(usual: System) -> None:
    accepted = usual.ask("a story", SLOW)
    worker = usual.until(accepted["run"]["id"], "run.started")["worker"]
    usual.until(accepted["run"]["id"], "message.delta")
    usual.signal(signal.SIGKILL, worker=worker)
    patience = Patience(15)
    attempts = []
    for event in usual.events(accepted["run"]["id"]):
        if event.event == "run.started":
            attempts.append((event.json()["attempt"], patience.is_over()))
    assert attempts == [(1, False), (2, False)]
    run = assert_answered_once(usual, accepted, words(60))
    assert run["attempts"] == 1
    assert any("was ended by SIGKILL; restarting it" in line for line in usual.output)


def test_a_request_to_stop_does_not_wait_for_the_heartbeat(usual: System) -> None:
    accepted = usual.ask("a story", {"words": 200, "pause": 0.05})
    usual.until(accepted["run"]["id"], "message.delta")
    patience = Patience(1)
    with usual.client() as client:
        client.post(f"/api/runs/{accepted['run']['id']}/cancel/")
    assert usual.ended(accepted["run"]["id"])["state"] == "cancelled"
    assert not patience.is_over()


def test_a_frozen_worker_that_wakes_up_late_changes_nothing(system: System) -> None:
    accepted = system.ask("a story", {"words": 30, "pause": 0.1})
    run_id = accepted["run"]["id"]
    worker = system.until(run_id, "run.started")["worker"]
    system.until(run_id, "message.delta")
    system.signal(signal.SIGSTOP, worker=worker)
    started = [e.json() for e in system.events(run_id) if e.event == "run.started"]
    assert len({s["worker"] for s in started}) == 2
    system.signal(signal.SIGCONT, worker=worker)
    assert_answered_once(system, accepted, words(30))
    assert system.ended(system.ask("again", {})["run"]["id"])["state"] == "succeeded"
    eventually(lambda: "run.lost" in system.logs() or "lease.lost" in system.logs(), what="the late worker's notice")


def test_a_worker_killed_in_a_changing_tool_call_does_not_repeat_it(system: System, marks: Path) -> None:
    key = uuid.uuid4().hex
    accepted = system.ask("change it", {"call": "counting_change", "args": {"key": key, "seconds": 5}, "id": key})
    run_id = accepted["run"]["id"]
    worker = system.until(run_id, "run.started")["worker"]
    eventually(lambda: f"change {key}" in marks.read_text())
    system.signal(signal.SIGKILL, worker=worker)
    run = system.ended(run_id)
    assert run["state"] == "succeeded", run
    assert "whether it took effect is not known" in run["answer"]
    assert [step["status"] for step in run["steps"]] == ["unknown"]
    assert marks.read_text().count(f"change {key}") == 1


def test_a_worker_killed_in_a_reading_tool_call_looks_again(system: System, marks: Path) -> None:
    key = uuid.uuid4().hex
    do = {"call": "counting_look", "args": {"key": key, "seconds": 2}, "id": key}
    accepted = system.ask("look at it", do)
    worker = system.until(accepted["run"]["id"], "run.started")["worker"]
    eventually(lambda: f"look {key}" in marks.read_text())
    system.signal(signal.SIGKILL, worker=worker)
    run = assert_answered_once(system, accepted, f"The tool said: seen {key} {words(5)}")
    assert [step["status"] for step in run["steps"]] == ["ok"]


def test_what_a_run_had_done_before_its_worker_died_is_not_done_again(
    system: System, model: ModelServer, marks: Path
) -> None:
    key = uuid.uuid4().hex
    do = {"call": "counting_change", "args": {"key": key}, "id": key, "words": 60, "pause": 0.05}
    accepted = system.ask("change and tell", do)
    run_id = accepted["run"]["id"]
    worker = system.until(run_id, "run.started")["worker"]
    system.until(run_id, "message.delta")  # the change is done, the answer has begun
    system.signal(signal.SIGKILL, worker=worker)
    assert_answered_once(system, accepted, f"The tool said: changed {key} {words(60)}")
    assert marks.read_text().count(f"change {key}") == 1
    question = next(q for q in model.calls if key in q)
    assert model.calls[question] == 3  # the call of the tool, the half answer, the whole one


@pytest.mark.parametrize("moment", ["between them", "in the second"])
def test_two_changes_to_which_a_provider_gave_one_id_are_each_made_once(
    system: System, marks: Path, moment: str
) -> None:
    first, second = uuid.uuid4().hex, uuid.uuid4().hex
    slow = moment == "in the second"
    then = {"key": second, "seconds": 4 if slow else 0}
    do = {"call": "counting_change", "args": {"key": first}, "then": [then], "wait": 0 if slow else 3, "id": "0"}
    accepted = system.ask("change both", do)
    run_id = accepted["run"]["id"]
    worker = system.until(run_id, "run.started")["worker"]
    if slow:
        eventually(lambda: f"change {second}" in marks.read_text())
    else:
        system.until(run_id, "tool.finished")
    system.signal(signal.SIGKILL, worker=worker)
    run = system.ended(run_id)
    assert run["state"] == "succeeded", run
    assert [step["status"] for step in run["steps"]] == ["ok", "unknown" if slow else "ok"]
    assert [step["arguments"]["key"] for step in run["steps"]] == [first, second]
    assert [marks.read_text().count(f"change {key}") for key in (first, second)] == [1, 1]


def test_a_change_is_not_made_again_when_memory_died_with_the_worker(system: System, marks: Path) -> None:
    key = uuid.uuid4().hex
    do = {"call": "counting_change", "args": {"key": key}, "id": key, "words": 60, "pause": 0.05}
    accepted = system.ask("change and tell", do)
    run_id = accepted["run"]["id"]
    worker = system.until(run_id, "run.started")["worker"]
    system.until(run_id, "message.delta")
    system.signal(signal.SIGKILL, worker=worker)
    system.redis().delete(f"aiops:memory:{accepted['conversation']}")
    assert_answered_once(system, accepted, f"The tool said: changed {key} {words(60)}")
    assert marks.read_text().count(f"change {key}") == 1


def test_a_message_that_the_queue_lost_is_answered(system: System) -> None:
    system.signal(signal.SIGSTOP)
    accepted = system.ask("hello", {})
    time.sleep(0.3)  # a stopped worker's connection may have taken it from the queue
    system.signal(signal.SIGKILL)
    system.redis().delete("runs")
    assert_answered_once(system, accepted, words(5))


def test_a_message_delivered_many_times_is_answered_once(system: System) -> None:
    accepted = system.ask("hello", {"words": 30, "pause": 0.02})
    run_id = accepted["run"]["id"]
    system.manage(f"from aiops import dispatch\nfor _ in range(8): dispatch.run('{run_id}')")
    assert_answered_once(system, accepted, words(30))
    assert system.rows("SELECT fence FROM runs_run WHERE id = ?", uuid.UUID(run_id).hex) == [(1,)]


def test_two_beats_do_nothing_twice(system: System) -> None:
    command = [str(BIN / "python"), "-m", "celery", "-A", "config", "beat", "--pidfile=", "-l", "warning"]
    env = {
        **system.env,
        **SHORT,
        "REDIS_URL": system.redis_url,
        "AIOPS_SECRET_KEY_FILE": str(system.home / "secret_key"),
    }
    second = subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        begun = time.monotonic()
        before = system.rows("SELECT count(*) FROM maintenance_jobrun WHERE job = 'reaper'")[0][0]
        eventually(lambda: time.monotonic() - begun > 6, within_s=8)
        after = system.rows("SELECT count(*) FROM maintenance_jobrun WHERE job = 'reaper'")[0][0]
        slots = system.rows("SELECT count(DISTINCT slot) FROM maintenance_jobrun WHERE job = 'reaper'")[0][0]
    finally:
        second.terminate()
        second.wait(timeout=10)
    passed_s = time.monotonic() - begun
    assert 3 < after - before <= passed_s + 2
    assert slots == after


def test_a_draining_worker_hands_its_run_to_another(system: System) -> None:
    accepted = system.ask("a long story", {"words": 90, "pause": 0.05})
    run_id = accepted["run"]["id"]
    system.until(run_id, "message.delta")
    worker = system.rows("SELECT worker FROM runs_run WHERE id = ?", uuid.UUID(run_id).hex)[0][0]
    system.signal(signal.SIGTERM, worker=worker)
    events = list(system.events(run_id))
    assert [e.json()["reason"] for e in events if e.event == "run.requeued"] == ["drained"]
    run = assert_answered_once(system, accepted, words(90))
    assert run["attempts"] == 0
