"""An answer is accepted, streamed and kept; the agent remembers; tools may fail."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import datetime

import httpx
import pytest

from tests.acceptance.model_server import ModelServer
from tests.acceptance.system import System, answer_of

SLOW = {"words": 40, "pause": 0.05}


@pytest.fixture
def client(system: System) -> Iterator[httpx.Client]:
    with system.client() as made:
        yield made


def test_an_answer_is_accepted_streamed_and_kept(system: System) -> None:
    accepted = system.ask("hello", {"words": 30, "pause": 0.01})
    run_id = accepted["run"]["id"]
    events = list(system.events(run_id))
    kinds = [e.event for e in events]
    assert kinds[:2] == ["run.queued", "run.started"]
    assert kinds[-2:] == ["message.completed", "run.succeeded"]
    assert answer_of(events) == " ".join(f"w{n}" for n in range(30))
    assert [e.json()["seq"] for e in events[1:]] == list(range(1, len(events)))
    run = system.run(run_id)
    assert run["answer"] == events[-2].json()["text"]
    assert run["usage"]["output_tokens"] == 30
    assert run["model"] == "openai:scripted"
    assert run["timings"]["ms"]["queued_to_finished"] > 0
    times = [datetime.fromisoformat(run["timings"][name]) for name in ("queued", "started", "first_delta", "finished")]
    assert times == sorted(times)


def test_the_agent_remembers_and_the_model_sees_what_was_said(system: System, model: ModelServer) -> None:
    first = system.ask("my name is Ann", {})
    system.ended(first["run"]["id"])
    second = system.ask("what is my name", {}, conversation=first["conversation"])
    system.ended(second["run"]["id"])
    said = [m["role"] for m in model.asked[-1]["messages"]]
    assert said == ["system", "user", "assistant", "user"]


def test_a_cleared_conversation_is_forgotten_but_can_be_read(
    system: System, model: ModelServer, client: httpx.Client
) -> None:
    first = system.ask("my name is Bob", {})
    system.ended(first["run"]["id"])
    here = f"/api/conversations/{first['conversation']}/"
    assert client.post(f"{here}clear/").status_code == 204
    system.ended(system.ask("who am I", {}, conversation=first["conversation"])["run"]["id"])
    assert [m["role"] for m in model.asked[-1]["messages"]] == ["system", "user"]
    assert len(client.get(f"{here}messages/").json()["results"]) == 4


def test_lost_memory_is_rebuilt_from_the_transcript_and_that_is_said(system: System, model: ModelServer) -> None:
    first = system.ask("my name is Cid", {})
    system.ended(first["run"]["id"])
    assert system.redis().delete(f"aiops:memory:{first['conversation']}") == 1
    second = system.ask("who am I", {}, conversation=first["conversation"])
    assert system.until(second["run"]["id"], "notice")["code"] in ("tool_server_down", "memory_rebuilt")
    notices = [e.json()["code"] for e in system.events(second["run"]["id"]) if e.event == "notice"]
    assert "memory_rebuilt" in notices
    assert [m["role"] for m in model.asked[-1]["messages"]] == ["system", "user", "assistant", "user"]


def test_a_missing_tool_server_is_named_and_the_others_serve(system: System, model: ModelServer) -> None:
    accepted = system.ask("look", {"call": "host_uptime", "id": uuid.uuid4().hex})
    notices = [e.json() for e in system.events(accepted["run"]["id"]) if e.event == "notice"]
    assert any(n["code"] == "tool_server_down" and "'absent'" in n["text"] for n in notices)
    run = system.ended(accepted["run"]["id"])
    assert [(s["server"], s["tool"], s["status"]) for s in run["steps"]] == [("host", "uptime", "ok")]
    assert [(n["code"], "'absent'" in n["text"]) for n in run["notices"]] == [("tool_server_down", True)]
    assert "not available now: absent" in model.asked[-1]["messages"][0]["content"]


def test_a_failing_tool_is_reported_to_the_model_and_the_reader(system: System) -> None:
    run = system.ended(system.ask("try", {"call": "counting_fail", "id": uuid.uuid4().hex})["run"]["id"])
    assert run["state"] == "succeeded"
    assert "the valve is stuck" in run["answer"]
    assert run["steps"][0]["status"] == "error"


def test_a_flood_from_a_tool_is_cut(system: System, model: ModelServer) -> None:
    run = system.ended(system.ask("try", {"call": "counting_flood", "id": uuid.uuid4().hex, "words": 1})["run"]["id"])
    shown = next(m["content"] for m in reversed(model.asked[-1]["messages"]) if m["role"] == "tool")
    assert "[cut: the first 16384 of 100000 bytes" in shown
    assert len(run["steps"][0]["preview"]) <= 2_000


def test_a_model_that_never_stops_calling_is_stopped(system: System, model: ModelServer) -> None:
    accepted = system.ask("loop", {"call": "host_uptime", "loop": True, "id": uuid.uuid4().hex})
    run = system.ended(accepted["run"]["id"])
    assert (run["state"], run["error"]["code"]) == ("failed", "too_many_model_calls")
    assert len(run["steps"]) == 25
    assert (
        system.ended(system.ask("go on", {}, conversation=accepted["conversation"])["run"]["id"])["state"]
        == "succeeded"
    )


def test_a_call_of_a_tool_that_does_not_exist_is_reported_to_the_model(system: System) -> None:
    run = system.ended(system.ask("try", {"call": "no_such_tool", "id": uuid.uuid4().hex})["run"]["id"])
    assert run["state"] == "succeeded"
    assert run["steps"] == [] or run["steps"][0]["status"] == "error"


def test_words_before_a_call_of_a_tool_stay_in_the_answer(system: System) -> None:
    do = {"call": "host_uptime", "id": uuid.uuid4().hex, "before": "I will look at the machine first.", "words": 2}
    run = system.ended(system.ask("look", do)["run"]["id"])
    assert run["answer"].startswith("I will look at the machine first.\n\nThe tool said: ")
