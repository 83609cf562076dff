"""What the tests of faults share: slow answers, and the check that a run was answered once."""

from __future__ import annotations

import uuid

from tests.acceptance.system import System, answer_of

SLOW = {"words": 60, "pause": 0.05}


def words(count: int) -> str:
    return " ".join(f"w{n}" for n in range(count))


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
    assert not system.rows("SELECT id FROM runs_run WHERE state = 'running'")
    return run
