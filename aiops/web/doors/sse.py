"""Server-sent events: ``GET /api/runs/{id}/events``."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, AsyncIterator

from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.requests import Request
from starlette.responses import Response

from aiops.errors import Invalid
from aiops.events import types
from aiops.events.hub import Hub
from aiops.events.types import Event, EventId
from aiops.runs import states
from aiops.web.api.parsing import refuse_unknown_parameters
from aiops.web.doors import guard, viewing
from aiops.web.doors.rendering import Rendering

PING_S = 15
RETRY_MS = 1_000


async def events(request: Request) -> Response:
    """Stream a run's events; 204 if the client has received all of them."""
    run, let_in = await guard.run_of_caller(request)
    after = _cursor(request)
    html = _wants_html(request)
    hub: Hub = request.app.state.hub
    # A generator: dropping it for an ended run costs nothing.
    feed = viewing.watch(hub, str(run.pk), types.START if html else after, let_in)
    if run.state in states.ENDED:
        left = await viewing.ended(hub, run, after)
        if left is None:
            return Response(status_code=204)
        feed = _each(left)
    return EventSourceResponse(
        _lines(feed, after, html=html),
        ping=PING_S,
        ping_message_factory=lambda: ServerSentEvent(comment="keep-alive"),
        headers={"Cache-Control": "no-cache, no-transform", "X-Accel-Buffering": "no"},
    )


async def _each(events: list[Event]) -> AsyncGenerator[Event]:
    for event in events:
        yield event


async def _lines(feed: AsyncGenerator[Event], after: EventId, *, html: bool) -> AsyncIterator[ServerSentEvent]:
    """Yield events after the cursor; for HTML the feed starts at the beginning, to render the whole answer."""
    rendering = Rendering() if html else None
    async with contextlib.aclosing(_with_pauses(feed, rendering) if rendering else feed) as events:
        async for event in events:
            data = await rendering.add(event, shown=after < event.id) if rendering else event.data
            if event.id != types.START and not after < event.id:
                continue
            yield ServerSentEvent(
                json.dumps(data, ensure_ascii=False, separators=(",", ":")),
                event=event.type,
                id=None if event.id == types.START else str(event.id),
                retry=RETRY_MS if event.type == types.QUEUED else None,
            )


async def _with_pauses(feed: AsyncGenerator[Event], rendering: Rendering) -> AsyncGenerator[Event]:
    """Yield the feed's events, and during pauses an event that renders the words sent before."""
    async with contextlib.aclosing(feed):
        coming = asyncio.ensure_future(anext(feed, None))
        try:
            while True:
                done, _ = await asyncio.wait({coming}, timeout=rendering.due_in_s)
                if not done:
                    yield await rendering.catch_up()
                    continue
                event = coming.result()
                if event is None:
                    return
                yield event
                coming = asyncio.ensure_future(anext(feed, None))
        finally:
            coming.cancel()
            await asyncio.wait({coming})


def _cursor(request: Request) -> EventId:
    text = request.headers.get("last-event-id", "")
    if not text:
        return types.START
    try:
        return EventId.parse(text)
    except ValueError:
        raise Invalid("Last-Event-ID is not valid.", errors={"Last-Event-ID": ["Not an event's id."]}) from None


def _wants_html(request: Request) -> bool:
    value = request.query_params.get("render")
    refuse_unknown_parameters(request.query_params, known={"render"} if value in (None, "html") else set())
    return value is not None
