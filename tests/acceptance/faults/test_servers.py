"""Whichever server or supervisor dies, nothing is lost, nothing is done twice, nothing is left running."""

from __future__ import annotations

import json
import os
import signal
import uuid
from pathlib import Path

import psutil
import pytest

from tests.acceptance.faults.answered import SLOW, assert_answered_once, words
from tests.acceptance.migrated import migrated
from tests.acceptance.system import System, eventually
from tests.patience import Patience
from tests.processes import running

pytestmark = pytest.mark.usefixtures("thaw")


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
        patience = Patience(3)
        accepted = [system.ask(f"question {n}", {}) for n in range(3)]
        assert not patience.is_over()
        assert system.run(accepted[0]["run"]["id"])["state"] == "queued"
        patience = Patience(1)
        with system.client() as client:
            assert client.post(f"/api/runs/{accepted[2]['run']['id']}/cancel/").json()["state"] == "cancelled"
        assert not patience.is_over()
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


def test_a_tool_server_killed_in_a_changing_call_is_reported_and_comes_back(system: System, marks: Path) -> None:
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
    (server,) = (one for one in psutil.Process(system.pid).children() if "config.local.forkserver" in one.cmdline())
    orphans = server.children()
    server.kill()
    eventually(lambda: running(orphans) == [], what="the end of what it had forked")
    eventually(system.is_ready, within_s=30, what="readiness")
    assert_answered_once(system, accepted, words(60))


def test_when_the_supervisor_is_killed_nothing_goes_on_without_it(tmp_path: Path) -> None:
    made = System(migrated(tmp_path / "home")).start()
    ours = psutil.Process(made.pid).children(recursive=True)
    made.kill()
    eventually(lambda: running(ours) == [], what="the end of every process")


def test_the_end_takes_less_than_ten_seconds_and_leaves_no_process(usual: System) -> None:
    accepted = usual.ask("a very long story", {"words": 2000, "pause": 0.05})
    run_id = accepted["run"]["id"]
    usual.until(run_id, "message.delta")
    children = psutil.Process(usual.pid).children(recursive=True)
    patience = Patience(10)
    assert usual.stop() == 0
    assert not patience.is_over()
    assert running(children) == []
    rows = usual.rows("SELECT state, attempts FROM runs_run WHERE id = ?", uuid.UUID(run_id).hex)
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
