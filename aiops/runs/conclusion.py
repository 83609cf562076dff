"""The end of a run: what broke in words, the row first, then the last event, then the conversation's next run."""

from __future__ import annotations

import time

from django.db import DataError
from langchain.agents.middleware.model_call_limit import ModelCallLimitExceededError
from langgraph.errors import GraphRecursionError

from aiops import log, metrics
from aiops.conversations import queueing, transitions
from aiops.conversations.models import Run
from aiops.conversations.transitions import Ending
from aiops.errors import AiopsError, RunFailed
from aiops.events import types
from aiops.runs import rows
from aiops.runs.ports import Assignment, Bench
from aiops.runs.recorder import Recorder
from aiops.runs.stopping import Why
from aiops.tools.pool import Missing

logger = log.get(__name__)
State = Run.State


def too_late(assignment: Assignment) -> RunFailed:
    """Return what a person is told about a run that passed its deadline."""
    detail = f"There was no answer within the deadline of {assignment.deadline_s} s: ask for less, or raise deadline_s."
    return RunFailed(detail, code="deadline_exceeded", retry=True)


def without(missing: Missing) -> RunFailed:
    """Return what a person is told when a tool server is away that every answer needs."""
    detail = (
        f"The tool server {missing.server!r}, which every answer needs, is missing: {missing.reason}. "
        "See that it runs, or let an administrator make it optional."
    )
    return RunFailed(detail, code="tool_server_missing", retry=True)


def explained(error: Exception) -> AiopsError:
    """Return what a person is told about a run that broke."""
    if isinstance(error, AiopsError):
        return error
    if isinstance(error, ModelCallLimitExceededError | GraphRecursionError):
        detail = "The model wanted more calls than a run may make (AIOPS_MAX_MODEL_CALLS): ask for less at once."
        return RunFailed(detail, code="too_many_model_calls")
    logger.error("run.crashed", exc_info=error)
    return RunFailed(f"{type(error).__name__}: {error}"[:500], code="internal_error", retry=True)


async def conclude(
    assignment: Assignment, bench: Bench, recorder: Recorder, ending: Ending, *, why: Why | None
) -> None:
    """Write the end to the row first, then to the stream, then wake the conversation's next run."""
    claim, events = assignment.claim, recorder.events
    if why is Why.DRAIN and ending.state == State.CANCELLED and await bench.in_thread(transitions.requeue, claim):
        logger.info("run.drained")
        await events.emit(types.REQUEUED, reason="drained")
        await bench.in_thread(queueing.send_next, assignment.conversation_id)
        return
    written, waiting = (None, None) if why is Why.LOST else await _finish(assignment, ending, bench)
    if written is None:
        logger.info("run.lost")
        if await bench.in_thread(rows.forget_if_deleted, claim.run_id, assignment.conversation_id):
            await bench.memory().adelete_thread(assignment.conversation_id)
        return
    ending = written
    _count(assignment, ending)
    logger.info("run.ended", state=ending.state, code=(ending.error or {}).get("code"))
    if ending.state == State.SUCCEEDED:
        whole = types.completed(claim.run_id, assignment.answer_id, ending.answer)
        await events.emit_all([(types.COMPLETED, whole), (types.SUCCEEDED, {"usage": ending.usage})])
    elif ending.state == State.FAILED:
        await events.emit(types.FAILED, error=ending.error)
    else:
        await events.emit(types.CANCELLED)
    if waiting is not None:
        await bench.in_thread(queueing.send, waiting)


def _count(assignment: Assignment, ending: Ending) -> None:
    queue, usage = assignment.queue, ending.usage or {}
    whole_s = time.monotonic() - assignment.since
    metrics.count(metrics.RUNS_ENDED, queue, ending.state, (ending.error or {}).get("code", ""))
    metrics.measure(metrics.RUN_SECONDS, queue, seconds=whole_s)
    if ending.first_delta_ago_s is not None:
        metrics.measure(metrics.FIRST_DELTA_SECONDS, queue, seconds=max(whole_s - ending.first_delta_ago_s, 0))
    for direction in ("input", "output"):
        metrics.count(metrics.TOKENS, usage.get("model", ""), direction, by=usage.get(f"{direction}_tokens", 0))


async def _finish(assignment: Assignment, ending: Ending, bench: Bench) -> tuple[Ending | None, str | None]:
    """Write the end; return it, None when the claim is lost, and who waits in line now.

    What the database refuses becomes a bare failure.
    """
    try:
        made: tuple[Ending | None, str | None] = await bench.in_thread(_write, assignment, ending)
    except (DataError, ValueError) as error:
        logger.exception("run.unwritable")
        detail = f"What came out of this run cannot be stored ({type(error).__name__})."
        bare = Ending(State.FAILED, "", steps=[], error={"code": "internal_error", "detail": detail, "retry": True})
        made = await bench.in_thread(_write, assignment, bare)
    return made


def _write(assignment: Assignment, ending: Ending) -> tuple[Ending | None, str | None]:
    if not transitions.finish(assignment.claim, ending):
        return None, None
    return ending, transitions.next_in_line(assignment.conversation_id)
