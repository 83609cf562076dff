"""Cancelling before, during and after; deadlines; and every on_busy."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import datetime

import httpx
import pytest

from tests.acceptance.model_server import ModelServer
from tests.acceptance.system import System
from tests.patience import Patience

SLOW = {"words": 40, "pause": 0.05}


@pytest.fixture
def client(system: System) -> Iterator[httpx.Client]:
    with system.client() as made:
        yield made


def test_a_run_cancelled_before_it_began_never_runs(system: System, client: httpx.Client, model: ModelServer) -> None:
    first = system.ask("long", SLOW)
    second = system.ask("never", {}, conversation=first["conversation"])
    answer = client.post(f"/api/runs/{second['run']['id']}/cancel/")
    assert (answer.status_code, answer.json()["state"]) == (202, "cancelled")
    assert [e.event for e in system.events(second["run"]["id"])] == ["run.queued", "run.cancelled"]
    assert system.ended(first["run"]["id"])["state"] == "succeeded"
    assert not [q for q in model.calls if q.startswith("never")]


def test_a_run_cancelled_in_mid_answer_stops_and_keeps_its_words(system: System, client: httpx.Client) -> None:
    accepted = system.ask("long", {"words": 100, "pause": 0.05})
    run_id = accepted["run"]["id"]
    system.until(run_id, "message.delta")
    patience = Patience(2)
    assert client.post(f"/api/runs/{run_id}/cancel/").status_code == 202
    run = system.ended(run_id)
    assert not patience.is_over()
    assert run["state"] == "cancelled"
    assert run["partial"].startswith("w0")
    assert [e.event for e in system.events(run_id)][-1] == "run.cancelled"
    follow_up = system.ended(system.ask("go on", {}, conversation=accepted["conversation"])["run"]["id"])
    assert follow_up["state"] == "succeeded"


def test_a_conversation_goes_on_after_a_run_was_cancelled_in_a_tool_call(system: System, client: httpx.Client) -> None:
    do = {"call": "counting_look", "args": {"key": "x", "seconds": 5}, "id": uuid.uuid4().hex}
    accepted = system.ask("look", do)
    system.until(accepted["run"]["id"], "tool.started")
    client.post(f"/api/runs/{accepted['run']['id']}/cancel/")
    assert system.ended(accepted["run"]["id"], within_s=4)["state"] == "cancelled"
    follow_up = system.ended(system.ask("go on", {}, conversation=accepted["conversation"])["run"]["id"])
    assert (follow_up["state"], follow_up["error"]) == ("succeeded", None)


def test_cancelling_what_has_ended_is_a_conflict(system: System, client: httpx.Client) -> None:
    run_id = system.ask("hello", {})["run"]["id"]
    system.ended(run_id)
    answer = client.post(f"/api/runs/{run_id}/cancel/")
    assert (answer.status_code, answer.json()["code"]) == (409, "run_ended")


def test_many_runs_are_cancelled_at_once(system: System, client: httpx.Client) -> None:
    first = system.ask("long", {"words": 100, "pause": 0.05})
    others = [system.ask("more", {}, conversation=first["conversation"]) for _ in range(3)]
    asked = {"state": "queued", "conversation": first["conversation"]}
    answer = client.post("/api/runs/cancel/", json=asked)
    assert {row["id"] for row in answer.json()["runs"]} == {one["run"]["id"] for one in others}
    answer = client.post("/api/runs/cancel/", json={"ids": [first["run"]["id"]]})
    assert answer.status_code == 202
    assert system.ended(first["run"]["id"])["state"] == "cancelled"


def test_a_deadline_ends_a_run_and_says_so(system: System) -> None:
    run = system.ended(system.ask("long", {"words": 200, "pause": 0.05}, deadline_s=1)["run"]["id"])
    assert (run["state"], run["error"]["code"]) == ("failed", "deadline_exceeded")
    assert run["partial"].startswith("w0")


# on_busy


def test_messages_sent_with_enqueue_are_answered_in_order(system: System) -> None:
    first = system.ask("one", SLOW)
    second = system.ask("two", {}, conversation=first["conversation"])
    third = system.ask("three", {}, conversation=first["conversation"])
    assert system.until(third["run"]["id"], "run.queued")["ahead"] == 2
    ended = [system.ended(one["run"]["id"])["timings"]["finished"] for one in (first, second, third)]
    assert ended == sorted(ended, key=datetime.fromisoformat)


def test_reject_says_that_the_conversation_is_busy(system: System, client: httpx.Client) -> None:
    first = system.ask("one", SLOW)
    body = {"message": "two", "conversation": first["conversation"], "on_busy": "reject"}
    answer = client.post("/api/chat/", json=body)
    assert (answer.status_code, answer.json()["code"]) == (409, "conversation_busy")
    system.ended(first["run"]["id"])


def test_interrupt_keeps_the_partial_answer_and_the_agent_knows_it(system: System, model: ModelServer) -> None:
    first = system.ask("one", {"words": 100, "pause": 0.05})
    system.until(first["run"]["id"], "message.delta")
    second = system.ask("two", {}, conversation=first["conversation"], on_busy="interrupt")
    assert system.ended(second["run"]["id"])["state"] == "succeeded"
    stopped = system.run(first["run"]["id"])
    assert stopped["state"] == "cancelled"
    seen = model.asked[-1]["messages"]
    assert [m["role"] for m in seen] == ["system", "user", "assistant", "user"]
    assert seen[2]["content"].startswith("w0")


def test_rollback_hides_the_stopped_turn_from_people_and_the_agent(
    system: System, model: ModelServer, client: httpx.Client
) -> None:
    zero = system.ask("zero", {})
    system.ended(zero["run"]["id"])
    do = {"call": "counting_change", "args": {"key": "r"}, "id": uuid.uuid4().hex, "words": 100, "pause": 0.05}
    first = system.ask("one", do, conversation=zero["conversation"])
    system.until(first["run"]["id"], "message.delta")
    second = system.ask("two", {}, conversation=zero["conversation"], on_busy="rollback")
    assert system.ended(second["run"]["id"])["state"] == "succeeded"
    shown = client.get(f"/api/conversations/{zero['conversation']}/messages/").json()["results"]
    assert [m["role"] for m in shown] == ["user", "assistant", "user", "assistant"]
    assert not [m for m in shown if m["text"].startswith("one")]
    seen = model.asked[-1]["messages"]
    assert [m["role"] for m in seen] == ["system", "user", "assistant", "user"]
    assert not [m for m in seen if str(m["content"]).startswith("one")]
