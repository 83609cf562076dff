"""The end of a run: what broke in words, the row first, then the last event, then the conversation's next run."""

from __future__ import annotations

from django.db import DataError
from langchain.agents.middleware.model_call_limit import ModelCallLimitExceededError
from langgraph.errors import GraphRecursionError

from aiops import log
from aiops.conversations import queueing, transitions
from aiops.conversations.models import Run
from aiops.conversations.transitions import Claim, Ending
from aiops.errors import AiopsError, RunFailed
from aiops.events import types
from aiops.runs import rows
from aiops.runs.ports import Assignment, Bench
from aiops.runs.recorder import Recorder
from aiops.runs.stopping import Why

logger = log.get(__name__)
State = Run.State


def too_late(assignment: Assignment) -> RunFailed:
    """Return what a person is told about a run that passed its deadline."""
    detail = f"There was no answer within the deadline of {assignment.deadline_s} s: ask for less, or raise deadline_s."
    return RunFailed(detail, code="deadline_exceeded", retry=True)


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
    written = None if why is Why.LOST else await _finish(claim, ending, bench)
    if written is None:
        logger.info("run.lost")
        if await bench.in_thread(rows.forget_if_deleted, claim.run_id, assignment.conversation_id):
            await bench.memory().adelete_thread(assignment.conversation_id)
        return
    ending = written
    logger.info("run.ended", state=ending.state, code=(ending.error or {}).get("code"))
    if ending.state == State.SUCCEEDED:
        await events.emit(types.COMPLETED, **types.completed(claim.run_id, assignment.answer_id, ending.answer))
        await events.emit(types.SUCCEEDED, usage=ending.usage)
    elif ending.state == State.FAILED:
        await events.emit(types.FAILED, error=ending.error)
    else:
        await events.emit(types.CANCELLED)
    await bench.in_thread(queueing.send_next, assignment.conversation_id)


async def _finish(claim: Claim, ending: Ending, bench: Bench) -> Ending | None:
    """Write the end and return it, None when the claim is lost; what the database refuses becomes a bare failure."""
    try:
        return ending if await bench.in_thread(transitions.finish, claim, ending) else None
    except (DataError, ValueError) as error:
        logger.exception("run.unwritable")
        detail = f"What came out of this run cannot be stored ({type(error).__name__})."
        bare = Ending(State.FAILED, "", steps=[], error={"code": "internal_error", "detail": detail, "retry": True})
        return bare if await bench.in_thread(transitions.finish, claim, bare) else None
