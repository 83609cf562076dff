"""Watching a run: replay, go live, drop what was sent, survive Redis, and end by what the row says."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

import redis

from aiops import log
from aiops.conversations.models import Run
from aiops.events import stream, types
from aiops.events.hub import Hub, Signal
from aiops.events.types import Event, EventId
from aiops.web.doors.guard import in_thread
from aiops.web.identity import Pass

LOOK_S = 2.0
"""How often the row is looked at while Redis is down."""
QUIET_S = 10.0
HIGHEST_FENCE = 1 << 30

logger = log.get(__name__)
TERMINAL = {
    Run.State.SUCCEEDED: types.SUCCEEDED,
    Run.State.FAILED: types.FAILED,
    Run.State.CANCELLED: types.CANCELLED,
    Run.State.EXPIRED: types.EXPIRED,
}


async def watch(hub: Hub, run_id: str, after: EventId, let_in: Pass | None = None) -> AsyncGenerator[Event]:
    """Yield a run's events after ``after``, each once, until the terminal one.

    Ends early for a slow reader, and for one who is no longer let in.
    """
    cursor, degraded = after, False
    async with hub.watch(run_id, let_in) as viewer:
        while True:
            item = await viewer.next(LOOK_S if degraded else QUIET_S)
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
                        text="Live events are not available now; the answer will come.",
                    )
                degraded = not seen
                if item is Signal.ENDED or degraded:
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
    """Return (what was missed, whether Redis answered); a gap is told by a resync before all there is."""
    try:
        events, gap = await stream.replay(hub.client, run_id, cursor)
    except (redis.RedisError, OSError) as error:
        logger.warning("replay.failed", run=run_id, error=str(error))
        return [], False
    return ([_without_id(run_id, types.RESYNC)] if gap else []) + events, True


async def _end(run_id: str) -> list[Event]:
    """Return the end as the row tells it: nothing while the run is unfinished, a cancel when it was deleted."""
    run = await in_thread(lambda: Run.objects.filter(pk=run_id).first())
    return from_row(run) if run is not None else [types.house(run_id, HIGHEST_FENCE, 9, types.CANCELLED)]


async def ended(hub: Hub, run: Run, after: EventId) -> list[Event] | None:
    """Return what is left to show of an ended run; None when the caller has had it all."""
    told = from_row(run)
    if not after < told[-1].id:
        return None
    events, seen = await _replay(hub, str(run.pk), after)
    if events and events[-1].terminal:
        return events
    if seen and not events and after != types.START:
        everything, _ = await _replay(hub, str(run.pk), types.START)
        if everything and everything[-1].terminal:
            return None
    return events + told


def from_row(run: Run) -> list[Event]:
    """Return the last events of an ended run, made from its row; their ids outrank all of the run's own."""
    name = TERMINAL.get(Run.State(run.state))
    if name is None:
        return []
    run_id, data = str(run.pk), {}
    events: list[Event] = []
    if name == types.SUCCEEDED:
        told = types.completed(run_id, str(run.answer_id), run.answer)
        events.append(types.house(run_id, run.fence, 8, types.COMPLETED, **told))
        data = {"usage": run.usage}
    elif name == types.FAILED:
        data = {"error": run.error}
    return [*events, types.house(run_id, run.fence, 9, name, **data)]


def _without_id(run_id: str, event_type: str, **data: Any) -> Event:
    """Return an event of this viewing alone; it has no place in the run."""
    return types.make(run_id, types.START, event_type, data)
