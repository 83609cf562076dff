"""A run that waits for people outlasts workers, Redis and restarts, and each approved call is made exactly once."""

from __future__ import annotations

import signal
import uuid
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.deciding import decide, waiting
from tests.acceptance.system import System, eventually

pytestmark = pytest.mark.usefixtures("asked_about", "thaw")


def ask(system: System, key: str, **args: Any) -> str:
    """Ask for a change, and return the run."""
    do = {"call": "counting_change", "args": {"key": key, **args}, "id": key, "before": "I change it."}
    run_id: str = system.ask("change it", do)["run"]["id"]
    return run_id


def made(marks: Path, key: str) -> int:
    return marks.read_text().count(f"change {key} ")


@pytest.fixture
def key() -> str:
    return uuid.uuid4().hex


def test_a_decision_is_carried_out_after_every_worker_was_replaced_and_redis_flushed(
    system: System, marks: Path, key: str
) -> None:
    run_id = ask(system, key)
    approval = waiting(system, run_id)
    system.signal(signal.SIGKILL)
    system.redis().flushall()
    for server in system.processes("valkey-server"):
        server.kill()
    assert system.run(run_id)["state"] == "waiting_approval"
    decide(system, approval)
    run = system.ended(run_id, within_s=40)
    assert (run["state"], made(marks, key)) == ("succeeded", 1)
    assert run["answer"].startswith("I change it.")
    assert asked_by(system, run_id) == 1, "no model was asked for the step again"
    events = [event.event for event in system.events(run_id)]
    assert events[-1] == "run.succeeded"


def asked_by(system: System, run_id: str) -> int:
    """Return how many approvals the run has asked for."""
    with system.client() as client:
        found = client.get("/api/approvals/", params={"limit": 50}).json()["results"]
    return sum(one["run"] == run_id for one in found)


def test_a_worker_killed_before_the_run_has_parked_asks_once(system: System, marks: Path, key: str) -> None:
    do = {"call": "counting_change", "args": {"key": key}, "id": key, "wait": 1, "then": []}
    accepted = system.ask("change it", {**do, "before": "I change it."})
    run_id = accepted["run"]["id"]
    worker = system.until(run_id, "run.started")["worker"]
    system.signal(signal.SIGKILL, worker=worker)
    approval = waiting(system, run_id)
    assert len(approval["items"]) == 1
    decide(system, approval)
    assert system.ended(run_id)["state"] == "succeeded"
    assert made(marks, key) == 1


def test_a_worker_killed_right_after_the_decision_leaves_the_call_to_another(
    system: System, marks: Path, key: str
) -> None:
    run_id = ask(system, key)
    approval = waiting(system, run_id)
    system.signal(signal.SIGSTOP)
    decide(system, approval)
    system.signal(signal.SIGKILL)
    assert system.ended(run_id, within_s=40)["state"] == "succeeded"
    assert made(marks, key) == 1


def test_a_worker_killed_in_the_approved_call_has_a_person_say_whether_it_is_made_again(
    system: System, marks: Path, key: str
) -> None:
    run_id = ask(system, key, seconds=5)
    decide(system, waiting(system, run_id))
    eventually(lambda: made(marks, key), what="the call")
    system.signal(signal.SIGKILL, worker=worker_of(system, run_id))
    again = waiting(system, run_id)
    assert again["items"][0]["facts"]["outcome_unknown"] is True
    assert made(marks, key) == 1
    decide(system, again, "answer", text="It was changed.")
    run = system.ended(run_id)
    assert (run["state"], made(marks, key)) == ("succeeded", 1)
    assert "It was changed." in run["answer"]


def worker_of(system: System, run_id: str) -> str:
    """Return the worker that took the run last."""
    found = ""
    for event in system.events(run_id):
        if event.event == "run.started":
            found = event.json()["worker"]
        if event.event == "tool.started":
            return found
    raise AssertionError("no call was begun")


def test_a_cancelled_run_asks_nobody_any_more(system: System, marks: Path, key: str) -> None:
    run_id = ask(system, key)
    approval = waiting(system, run_id)
    with system.client() as client:
        assert client.post(f"/api/runs/{run_id}/cancel/").json()["state"] == "cancelled"
        closed = client.get(f"/api/approvals/{approval['id']}/").json()
        late = client.post(
            f"/api/approvals/{approval['id']}/decide/",
            json={"items": [{"id": approval["items"][0]["id"], "decision": "approve"}]},
        )
    assert (closed["state"], closed["items"][0]["state"]) == ("closed", "closed")
    assert (late.status_code, late.json()["code"]) == (409, "already_decided")
    assert made(marks, key) == 0
