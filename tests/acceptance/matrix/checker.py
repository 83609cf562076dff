"""Reads rows, streams, memory and the counting tool after faults: all that was accepted is answered, once."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from aiops.agent.ports import UNKNOWN
from aiops.events.types import TERMINAL, Event
from tests.acceptance.matrix.asking import Asked
from tests.acceptance.system import System, eventually

LATE = (
    "SELECT id, state, attempts, worker, queued_at, sent_at, lease_until, cancel_requested_at "
    "FROM runs_run WHERE state IN ('queued', 'running') LIMIT 5"
)
UNFINISHED = "SELECT count(*) FROM runs_run WHERE state IN ('queued', 'running')"


def wait_for_all(system: System, *, within_s: float = 60) -> None:
    try:
        eventually(lambda: system.rows(UNFINISHED) == [(0,)], within_s=within_s, what="the end of all runs")
    except AssertionError as late:
        raise AssertionError(f"{late}: {system.rows(LATE)}") from late


def check(system: System, asked: Sequence[Asked], marks: Path, *, tidy: bool = True) -> None:
    """Fail unless every accepted question has one end and one answer, every change was made once or is unknown.

    ``tidy`` memory holds one checkpoint of each conversation; a Redis that was away at a run's end keeps more.
    """
    wait_for_all(system)
    runs = _runs(system)
    assert {one.run for one in asked} <= set(runs)
    answers = _answers(system)
    made = Counter(marks.read_text().split())
    for one in asked:
        run = runs[one.run]
        assert run["state"] == "succeeded", (one, run)
        unknown = [step for step in run["steps"] if step["status"] == "unknown"]
        if not unknown:
            assert run["answer"] == one.answer, (one, run)
        assert answers[one.conversation] == [run["answer"]], one
        if one.key:
            _check_change(one, run, made[one.key], unknown)
    _check_streams(system, asked, runs)
    _check_nothing_is_left(system)
    if tidy:
        _check_memory(system, asked)


def _check_change(one: Asked, run: dict[str, Any], times: int, unknown: list[dict[str, Any]]) -> None:
    assert len(run["steps"]) == 1, (one, run)
    if unknown:
        assert times <= 1, (one, times)
        assert UNKNOWN[:40] in run["answer"], (one, run)
    else:
        assert times == 1, (one, times)


def _check_streams(system: System, asked: Sequence[Asked], runs: dict[str, dict[str, Any]]) -> None:
    """A stream that still is has one end, in order, and the words of the answer, however often it was begun again."""
    pipe = system.redis().pipeline(transaction=False)
    for one in asked:
        pipe.xrange(f"aiops:events:{one.run}")
    for one, entries in zip(asked, pipe.execute(), strict=True):
        events = [Event.loads(fields[b"e"]) for _, fields in entries]
        if not events or not events[-1].terminal:
            continue  # it was lost with its server; watchers get the end from the row
        assert [e.type for e in events if e.type in TERMINAL] == ["run.succeeded"], one
        text = ""
        for event in events:
            if event.type == "message.reset":
                text = ""
            elif event.type == "message.delta":
                text += event.data["text"]
        whole = events[0].type == "run.queued" and "lost" not in runs[one.run]
        assert not whole or text == runs[one.run]["answer"] or _was_hurt(events), (one, text)


def _was_hurt(events: list[Event]) -> bool:
    """Whether numbers are missing: some events were written while Redis was away."""
    numbers = [(e.id.fence, e.id.seq) for e in events if e.id.seq < 1 << 40 and e.id.fence > 0]
    last: dict[int, int] = {}
    for fence, seq in numbers:
        if seq != last.get(fence, 0) + 1:
            return True
        last[fence] = seq
    return False


def _check_nothing_is_left(system: System) -> None:
    held = "SELECT count(*) FROM runs_run WHERE lease_until IS NOT NULL"
    assert system.rows(held) == [(0,)]
    redis = system.redis()
    for pattern in ("aiops:events:*", "aiops:memory:*"):
        endless = [key for key in redis.scan_iter(match=pattern, count=1_000) if redis.ttl(key) == -1]
        assert endless == [], pattern


def _check_memory(system: System, asked: Sequence[Asked]) -> None:
    """Only the last run's latest checkpoint is there, whoever else wrote late."""
    for one in asked:
        fields = system.redis().hkeys(f"aiops:memory:{one.conversation}")
        assert len([f for f in fields if f.startswith(b"c")]) <= 1, ("old checkpoints stayed", one)


def _runs(system: System) -> dict[str, dict[str, Any]]:
    columns = ("id", "state", "answer", "steps", "attempts", "error")
    rows = system.rows(f"SELECT {', '.join(columns)} FROM runs_run")
    found = [dict(zip(columns, row, strict=True)) for row in rows]
    return {str(uuid.UUID(str(row["id"]))): {**row, "steps": system.as_json(row["steps"])} for row in found}


def _answers(system: System) -> dict[str, list[str]]:
    sql = "SELECT conversation_id, text FROM conversations_message WHERE role = 'assistant' ORDER BY position"
    found: dict[str, list[str]] = {}
    for conversation, text in system.rows(sql):
        found.setdefault(str(uuid.UUID(str(conversation))), []).append(text)
    return found
