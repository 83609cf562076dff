"""The end of a run: errors in words, then the row, then the last event, then the conversation's next run."""

from __future__ import annotations

import math
import time
from typing import assert_never

from django.db import DataError
from langchain.agents.middleware.model_call_limit import ModelCallLimitExceededError
from langchain.agents.middleware.tool_call_limit import ToolCallLimitExceededError
from langgraph.errors import GraphRecursionError

from aiops import log, metrics
from aiops.errors import AiopsError, RunFailed
from aiops.events import types
from aiops.runs import send, transitions
from aiops.runs.models import Run
from aiops.runs.notices import TOOL_FAILED, says_tool_failed
from aiops.runs.states import State
from aiops.runs.transitions import Ending
from aiops.runs.work import rows
from aiops.runs.work.context import Assignment, RunContext
from aiops.runs.work.recorder import Recorder
from aiops.runs.work.stopping import Why
from aiops.tool_servers.client.pool import Missing

logger = log.get(__name__)


def deadline_exceeded(assignment: Assignment) -> RunFailed:
    """Return the error of a run that passed its deadline."""
    return RunFailed(
        f"There was no answer within the deadline of {assignment.options.deadline_s} s: "
        "ask for less, or raise deadline_s.",
        code="deadline_exceeded",
        retry=True,
    )


def tool_server_missing(missing: Missing) -> RunFailed:
    """Return the error of a run that a required tool server is missing for."""
    return RunFailed(
        f"The tool server {missing.server!r}, which every answer needs, is missing: {missing.reason}. "
        "Start it, or have an administrator make it optional.",
        code="tool_server_missing",
        retry=True,
    )


def not_resumable() -> RunFailed:
    """Return the error of a run whose middleware or tool interrupted the graph or raised to a parent graph."""
    return RunFailed(
        "A middleware or a tool paused this run to have it resumed: runs cannot be resumed that way.",
        code="not_resumable",
    )


def describe(error: Exception) -> AiopsError:
    """Return the error to show for an exception."""
    if isinstance(error, AiopsError):
        return error
    if isinstance(error, ToolCallLimitExceededError):
        return RunFailed(
            f"The model wanted more calls of {error.tool_name or 'tools'} than its ToolCallLimitMiddleware allows: "
            "ask for less at once, or raise the limit.",
            code="too_many_tool_calls",
        )
    if isinstance(error, ModelCallLimitExceededError) and error.thread_count >= (error.thread_limit or math.inf):
        return RunFailed(
            f"This conversation has had the {error.thread_limit} calls of the model that its ModelCallLimitMiddleware "
            "allows: begin a new one, or raise the limit.",
            code="too_many_model_calls",
        )
    if isinstance(error, ModelCallLimitExceededError | GraphRecursionError):
        return RunFailed(
            "The model wanted more calls than a run may make (AIOPS_MAX_MODEL_CALLS): ask for less at once.",
            code="too_many_model_calls",
        )
    logger.error("run.crashed", exc_info=error)
    return RunFailed(f"{type(error).__name__}: {error}"[:500], code="internal_error", retry=True)


async def conclude(
    assignment: Assignment, context: RunContext, recorder: Recorder, ending: Ending, *, why: Why | None
) -> None:
    """Write the end to the row, then to the stream; then send the conversation's next run."""
    claim, events = assignment.claim, recorder.events
    if why is Why.DRAIN and ending.state == State.CANCELLED and await context.in_thread(transitions.requeue, claim):
        logger.info("run.drained")
        await events.emit(types.REQUEUED, reason="drained")
        await context.in_thread(send.send_next, assignment.conversation_id)
        return
    written, waiting = (None, None) if why is Why.LOST else await _finish(assignment, ending, context)
    if written is None:
        logger.info("run.lost")
        if await context.in_thread(rows.forget_if_deleted, claim.run_id, assignment.conversation_id):
            await context.memory().adelete_thread(assignment.conversation_id)
        return
    ending = written
    _count(assignment, ending)
    logger.info("run.ended", state=ending.state, code=(ending.error or {}).get("code"))
    match ending.state:
        case State.SUCCEEDED:
            whole = types.completed(claim.run_id, assignment.answer_id, ending.answer)
            await events.emit_all([(types.COMPLETED, whole), (types.SUCCEEDED, {"usage": ending.usage})])
        case State.FAILED:
            await events.emit(types.FAILED, error=ending.error)
        case State.CANCELLED:
            await events.emit(types.CANCELLED)
        case State.QUEUED | State.RUNNING | State.WAITING_APPROVAL | State.EXPIRED:
            raise AssertionError(f"A worker does not end a run as {ending.state}.")
        case _:
            assert_never(ending.state)
    if waiting is not None:
        await context.in_thread(send.send, waiting)


def _count(assignment: Assignment, ending: Ending) -> None:
    queue, usage = assignment.queue, ending.usage or {}
    whole_s = time.monotonic() - assignment.since
    code = (ending.error or {}).get("code", "") or (TOOL_FAILED if says_tool_failed(ending.notices) else "")
    metrics.count(metrics.RUNS_ENDED, queue, ending.state, code)
    metrics.measure(metrics.RUN_SECONDS, queue, seconds=whole_s)
    if ending.first_delta_ago_s is not None:
        metrics.measure(metrics.FIRST_DELTA_SECONDS, queue, seconds=max(whole_s - ending.first_delta_ago_s, 0))
    for direction in metrics.DIRECTIONS:
        metrics.count(metrics.TOKENS, usage.get("model", ""), direction, by=usage.get(f"{direction}_tokens", 0))


async def _finish(assignment: Assignment, ending: Ending, context: RunContext) -> tuple[Ending | None, Run | None]:
    """Write the end; return (the end, or None when the claim is lost; the conversation's next run, if any).

    An end that the database refuses is replaced by a failure without answer and steps.
    """
    try:
        made: tuple[Ending | None, Run | None] = await context.in_thread(_write, assignment, ending)
    except (DataError, ValueError) as error:
        logger.exception("run.unwritable")
        detail = f"What came out of this run cannot be stored ({type(error).__name__})."
        error_shown = {"code": "internal_error", "detail": detail, "retry": True}
        bare = Ending(State.FAILED, "", steps=[], error=error_shown, asked_people=ending.asked_people)
        made = await context.in_thread(_write, assignment, bare)
    return made


def _write(assignment: Assignment, ending: Ending) -> tuple[Ending | None, Run | None]:
    finished = transitions.finish(assignment.claim, ending)
    if finished is None:
        return None, None
    # Most runs have none behind them: whoever adds a message counts the conversation's positions up under its lock.
    return ending, transitions.next_in_line(assignment.conversation_id) if finished.has_followers else None
