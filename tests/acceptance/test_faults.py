"""Whatever dies, nothing is lost, nothing is done twice, nothing is left running."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.acceptance.conftest import SHORT
from tests.acceptance.model_server import ModelServer
from tests.acceptance.system import BIN, System, answer_of, eventually

SLOW = {"words": 60, "pause": 0.05}


@pytest.fixture(autouse=True)
def _thaw(system: System) -> Iterator[None]:
    """Let a failed test leave no frozen process to the next."""
    yield
    for process in [*system.processes("-Q runs"), *system.processes("valkey-server")]:
        process.resume()


def words(count: int) -> str:
    return " ".join(f"w{n}" for n in range(count))


def running(processes: list[psutil.Process]) -> list[psutil.Process]:
    return [one for one in processes if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]


def assert_answered_once(system: System, accepted: dict, answer: str) -> dict:
    """One final run, one answer, in the row, the transcript and the stream."""
    run = system.ended(accepted["run"]["id"])
    assert (run["state"], run["answer"]) == ("succeeded", answer), run
    said = system.rows(
        "SELECT text FROM conversations_message WHERE role = 'assistant' AND conversation_id = ?",
        uuid.UUID(accepted["conversation"]).hex,
    )
    assert said == [(answer,)]
    events = list(system.events(run["id"]))
    assert answer_of(events) == answer
    assert [e.event for e in events].count("run.succeeded") == 1
    assert events[-1].event == "run.succeeded"
    assert not system.rows("SELECT id FROM conversations_run WHERE state = 'running'")
    return run


def test_a_worker_killed_in_mid_stream_costs_at_most_fifteen_seconds(usual: System) -> None:
    accepted = usual.ask("a story", SLOW)
    worker = usual.until(accepted["run"]["id"], "run.started")["worker"]
    usual.until(accepted["run"]["id"], "message.delta")
    usual.signal(signal.SIGKILL, worker=worker)
    killed_at = time.monotonic()
    attempts = []
    for event in usual.events(accepted["run"]["id"]):
        if event.event == "run.started":
            attempts.append((event.json()["attempt"], time.monotonic() - killed_at))
    assert [attempt for attempt, _ in attempts] == [1, 2]
    assert attempts[1][1] < 15
    run = assert_answered_once(usual, accepted, words(60))
    assert run["attempts"] == 1
    assert any("was ended by SIGKILL; starting it again" in line for line in usual.output)


def test_a_request_to_stop_does_not_wait_for_the_heartbeat(usual: System) -> None:
    accepted = usual.ask("a story", {"words": 200, "pause": 0.05})
    usual.until(accepted["run"]["id"], "message.delta")
    begun = time.monotonic()
    with usual.client() as client:
        client.post(f"/api/runs/{accepted['run']['id']}/cancel/")
    assert usual.ended(accepted["run"]["id"])["state"] == "cancelled"
    assert time.monotonic() - begun < 1


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
    assert system.rows("SELECT fence FROM conversations_run WHERE id = ?", uuid.UUID(run_id).hex) == [(1,)]


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
        before = system.rows("SELECT count(*) FROM upkeep_jobrun WHERE job = 'reaper'")[0][0]
        eventually(lambda: time.monotonic() - begun > 6, within_s=8)
        after = system.rows("SELECT count(*) FROM upkeep_jobrun WHERE job = 'reaper'")[0][0]
        slots = system.rows("SELECT count(DISTINCT slot) FROM upkeep_jobrun WHERE job = 'reaper'")[0][0]
    finally:
        second.terminate()
        second.wait(timeout=10)
    passed_s = time.monotonic() - begun
    assert 3 < after - before <= passed_s + 2
    assert slots == after


def test_a_worker_asked_to_stop_hands_its_run_on(system: System) -> None:
    accepted = system.ask("a long story", {"words": 90, "pause": 0.05})
    run_id = accepted["run"]["id"]
    system.until(run_id, "message.delta")
    worker = system.rows("SELECT worker FROM conversations_run WHERE id = ?", uuid.UUID(run_id).hex)[0][0]
    system.signal(signal.SIGTERM, worker=worker)
    events = list(system.events(run_id))
    assert [e.json()["reason"] for e in events if e.event == "run.requeued"] == ["drained"]
    run = assert_answered_once(system, accepted, words(90))
    assert run["attempts"] == 0


def test_runs_survive_a_flushed_and_restarted_valkey(system: System) -> None:
    system.signal(signal.SIGSTOP)
    accepted = [system.ask(f"question {n}", {}) for n in range(5)]
    system.redis().flushall()
    for server in system.processes("valkey-server"):
        server.kill()
    eventually(lambda: any("valkey was ended by SIGKILL" in line for line in system.output))
    system.signal(signal.SIGKILL)
    for one in accepted:
        run = system.ended(one["run"]["id"], within_s=40)
        assert (run["state"], run["answer"]) == ("succeeded", words(5))
        assert [e.event for e in system.events(run["id"])][-1] == "run.succeeded"


def test_a_run_outlasts_a_restart_of_valkey(system: System) -> None:
    accepted = system.ask("a story", {"words": 80, "pause": 0.05})
    system.until(accepted["run"]["id"], "message.delta")
    system.redis().flushall()
    for server in system.processes("valkey-server"):
        server.kill()
    run = system.ended(accepted["run"]["id"], within_s=40)
    assert (run["state"], run["answer"]) == ("succeeded", words(80))
    assert [e.event for e in system.events(run["id"])][-1] == "run.succeeded"


def test_a_frozen_valkey_holds_nobody_up_and_nothing_is_lost(system: System) -> None:
    server = system.processes("valkey-server")[0]
    server.suspend()
    try:
        begun = time.monotonic()
        accepted = [system.ask(f"question {n}", {}) for n in range(3)]
        assert time.monotonic() - begun < 3
        assert system.run(accepted[0]["run"]["id"])["state"] == "queued"
        begun = time.monotonic()
        with system.client() as client:
            assert client.post(f"/api/runs/{accepted[2]['run']['id']}/cancel/").json()["state"] == "cancelled"
        assert time.monotonic() - begun < 1
    finally:
        server.resume()
    for one in accepted:
        system.ended(one["run"]["id"])  # so that none is still running while another is looked at
    for one in accepted[:2]:
        assert_answered_once(system, one, words(5))
    assert [e.event for e in system.events(accepted[2]["run"]["id"])][-1] == "run.cancelled"


def test_a_tool_server_killed_in_a_reading_call_is_asked_again(system: System, marks: Path) -> None:
    key = uuid.uuid4().hex
    accepted = system.ask("look", {"call": "counting_look", "args": {"key": key, "seconds": 2}, "id": key})
    found = eventually(lambda: [line for line in marks.read_text().splitlines() if f"look {key}" in line])
    os.kill(int(found[0].split()[-1]), signal.SIGKILL)
    assert_answered_once(system, accepted, f"The tool said: seen {key} {words(5)}")
    assert marks.read_text().count(f"look {key}") == 2


def test_a_tool_server_killed_in_a_changing_call_is_told_and_comes_back(system: System, marks: Path) -> None:
    key = uuid.uuid4().hex
    accepted = system.ask("change", {"call": "counting_change", "args": {"key": key, "seconds": 6}, "id": key})
    found = eventually(lambda: [line for line in marks.read_text().splitlines() if f"change {key}" in line])
    os.kill(int(found[0].split()[-1]), signal.SIGKILL)
    run = system.ended(accepted["run"]["id"])
    assert run["state"] == "succeeded", run
    assert "'counting'" in run["answer"]
    assert [step["status"] for step in run["steps"]] == ["error"]
    assert marks.read_text().count(f"change {key}") == 1
    again = uuid.uuid4().hex

    def works() -> bool:
        asked = system.ask("look", {"call": "counting_look", "args": {"key": again}, "id": uuid.uuid4().hex})
        return f"seen {again}" in system.ended(asked["run"]["id"])["answer"]

    eventually(works, what="the tool server's return")


def test_when_the_fork_server_dies_all_it_forked_comes_back_and_nothing_is_lost(system: System) -> None:
    accepted = system.ask("a story", SLOW)
    system.until(accepted["run"]["id"], "message.delta")
    (server,) = (one for one in psutil.Process(system.pid).children() if "config.forkserver" in one.cmdline())
    orphans = server.children()
    server.kill()
    eventually(lambda: running(orphans) == [], what="the end of what it had forked")
    eventually(system.is_ready, within_s=30, what="readiness")
    assert_answered_once(system, accepted, words(60))


def test_when_the_supervisor_is_killed_nothing_goes_on_without_it(tmp_path: Path) -> None:
    made = System(tmp_path / "home").start()
    ours = psutil.Process(made.pid).children(recursive=True)
    made.kill()
    eventually(lambda: running(ours) == [], what="the end of every process")


def test_the_end_takes_less_than_ten_seconds_and_leaves_no_process(usual: System) -> None:
    accepted = usual.ask("a very long story", {"words": 2000, "pause": 0.05})
    run_id = accepted["run"]["id"]
    usual.until(run_id, "message.delta")
    children = psutil.Process(usual.pid).children(recursive=True)
    begun = time.monotonic()
    assert usual.stop() == 0
    assert time.monotonic() - begun < 10
    assert running(children) == []
    rows = usual.rows("SELECT state, attempts FROM conversations_run WHERE id = ?", uuid.UUID(run_id).hex)
    assert rows == [("queued", 0)]  # handed back, not lost
    usual.output.clear()
    usual.start()
    usual.until(run_id, "message.delta")
    with usual.client() as client:
        client.post(f"/api/runs/{run_id}/cancel/")
    assert usual.ended(run_id)["state"] == "cancelled"


@pytest.mark.parametrize(
    ("failures", "state", "code"),
    [
        ([429, 429], "succeeded", None),
        ([500], "succeeded", None),
        (["cut"], "succeeded", None),
        ([500] * 9, "failed", "model_error"),
        ([429] * 9, "failed", "model_rate_limited"),
        (["cut"] * 9, "failed", "model_unreachable"),
        ([401], "failed", "model_key_refused"),
        (["nonsense"], "failed", "model_nonsense"),
        ("empty", "failed", "model_empty"),
        (["hang"], "failed", "model_timeout"),
    ],
    ids=lambda value: json.dumps(value),
)
def test_whatever_the_model_server_does_the_run_ends_and_says_why(
    system: System, failures: list, state: str, code: str | None
) -> None:
    accepted = system.ask("try", {"words": 0} if failures == "empty" else {"fail": failures, "words": 40})
    run = system.ended(accepted["run"]["id"])
    assert run["state"] == state, run
    if code is None:
        assert_answered_once(system, accepted, words(40))
    else:
        assert run["error"]["code"] == code
        assert "scripted" in run["error"]["detail"]
        events = list(system.events(run["id"]))
        assert events[-1].event == "run.failed"
        assert events[-1].json()["error"] == run["error"]
