"""The event feed of one viewer: replay, then live events without duplicates; the row replaces events that are lost."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any, assert_never

import redis

from aiops import log
from aiops.events import stream, types
from aiops.events.hub import Hub, Signal
from aiops.events.types import Event, EventId
from aiops.runs import waiting
from aiops.runs.models import Run
from aiops.runs.states import Place, State
from aiops.web.doors.guard import in_thread
from aiops.web.identity import Pass

RETRY_S = 2.0
"""Interval between replays while Redis is down."""
IDLE_S = 10.0
HIGHEST_FENCE = 1 << 30
"""Fence of the last event of a deleted run, whose own fence is unknown."""

logger = log.get(__name__)


async def watch(hub: Hub, run_id: str, after: EventId, let_in: Pass | None = None) -> AsyncGenerator[Event]:
    """Yield a run's events after ``after``, each once, until the terminal one.

    Ends early if the viewer is too slow, or its pass is no longer valid.
    """
    cursor, degraded, from_rows = after, False, False
    async with hub.watch(run_id, let_in) as viewer:
        while True:
            item = await viewer.next(RETRY_S if degraded else IDLE_S)
            if isinstance(item, Event):
                due, degraded = [item], False
            elif item is Signal.DISMISSED:
                return
            elif item is Signal.OVERFLOW:
                logger.warning("viewer.too_slow", run=run_id)
                return
            elif item is None and not degraded:
                continue
            else:
                due, seen = await _replay(hub, run_id, cursor)
                if not seen and not degraded:
                    yield _without_id(
                        run_id,
                        types.NOTICE,
                        code="degraded",
                        text="Live events are not available now; the answer will follow.",
                    )
                degraded = not seen
                if seen and not due and cursor == types.START and not from_rows:
                    from_rows = True
                    for event in await in_thread(_waiting, run_id):
                        yield event
                if item is Signal.ENDED:  # from the row, so it works while Redis is down
                    due += await _end(run_id)
            for event in due:
                if event.type == types.RESYNC:
                    cursor = types.START
                    yield event
                elif cursor < event.id:
                    cursor = event.id
                    yield event
                    if event.terminal:
                        return


async def _replay(hub: Hub, run_id: str, cursor: EventId) -> tuple[list[Event], bool]:
    """Return (missed events, whether Redis answered); after a gap, a resync and then all events there are."""
    try:
        events, gap = await stream.replay(hub.client, run_id, cursor)
    except (redis.RedisError, OSError) as error:
        logger.warning("replay.failed", run=run_id, error=str(error))
        return [], False
    return ([_without_id(run_id, types.RESYNC)] if gap else []) + events, True


async def _end(run_id: str) -> list[Event]:
    """Return the last events from the row: none while the run is unfinished, a cancel if it was deleted."""
    run = await in_thread(lambda: Run.objects.filter(pk=run_id).first())
    if run is None:
        return [types.system_event(run_id, HIGHEST_FENCE, Place.ENDED_FROM_ROW, types.CANCELLED)]
    return from_row(run)


def _waiting(run_id: str) -> list[Event]:
    """Return what a run that waits for people has said and done, from its row: its events may be lost."""
    run = Run.objects.filter(pk=run_id, state=State.WAITING_APPROVAL).first()
    if run is None:
        return []
    pending = waiting.approval_of(run)
    said = [_without_id(run_id, types.DELTA, message=str(run.answer_id), text=run.answer)] if run.answer else []
    begun = ("call_id", "server", "tool", "arguments")
    steps = [(types.TOOL_STARTED, {name: step[name] for name in begun}) for step in run.steps]
    steps += [
        (types.TOOL_FINISHED, {name: step[name] for name in ("call_id", "status", "ms", "preview")})
        for step in run.steps
    ]
    made = [_without_id(run_id, kind, **data) for kind, data in steps]
    return [*made, *said, _without_id(run_id, types.WAITING_APPROVAL, approval=str(pending) if pending else None)]


async def ended(hub: Hub, run: Run, after: EventId) -> list[Event] | None:
    """Return the remaining events of an ended run; None if the client has received all."""
    of_row = from_row(run)
    if not after < of_row[-1].id:
        return None
    events, seen = await _replay(hub, str(run.pk), after)
    if events and events[-1].terminal:
        return events
    if seen and not events and after != types.START:
        everything, _ = await _replay(hub, str(run.pk), types.START)
        if everything and everything[-1].terminal:
            return None
    return events + of_row


def from_row(run: Run) -> list[Event]:
    """Make the last events of an ended run from its row; their ids are higher than those of the run's own events."""
    run_id, fence, state = str(run.pk), run.fence, State(run.state)
    events: list[Event] = []
    data: dict[str, Any] = {}
    match state:
        case State.QUEUED | State.RUNNING | State.WAITING_APPROVAL:
            return []
        case State.SUCCEEDED:
            whole = types.completed(run_id, str(run.answer_id), run.answer)
            events.append(types.system_event(run_id, fence, Place.COMPLETED_FROM_ROW, types.COMPLETED, **whole))
            data = {"usage": run.usage}
        case State.FAILED:
            data = {"error": run.error}
        case State.CANCELLED | State.EXPIRED:
            pass
        case _:
            assert_never(state)
    return [*events, types.system_event(run_id, fence, Place.ENDED_FROM_ROW, state.last_event, **data)]


def _without_id(run_id: str, event_type: str, **data: Any) -> Event:
    """Return an event for this viewer only, without a position in the run."""
    return types.make(run_id, types.START, event_type, data)
