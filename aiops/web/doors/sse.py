"""The SSE door: ``GET /api/runs/{id}/events``."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncGenerator, AsyncIterator

from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.requests import Request
from starlette.responses import Response

from aiops.conversations.models import Run
from aiops.errors import Invalid
from aiops.events import types
from aiops.events.hub import Hub
from aiops.events.types import Event, EventId
from aiops.web.doors import guard, viewing
from aiops.web.doors.rendering import Rendering

PING_S = 15
RETRY_MS = 1_000


async def events(request: Request) -> Response:
    """Stream a run's events; 204 when the caller has had them all."""
    run, let_in = await guard.run_of_caller(request)
    after = _cursor(request)
    html = _wants_html(request)
    hub: Hub = request.app.state.hub
    feed = viewing.watch(hub, str(run.pk), types.START if html else after, let_in)
    if run.state in Run.ENDED:
        left = await viewing.ended(hub, run, after)
        if left is None:
            return Response(status_code=204)
        feed = _each(left)
    return EventSourceResponse(
        _lines(feed, after, html=html),
        ping=PING_S,
        ping_message_factory=lambda: ServerSentEvent(comment="still here"),
        headers={"Cache-Control": "no-cache, no-transform", "X-Accel-Buffering": "no"},
    )


async def _each(events: list[Event]) -> AsyncGenerator[Event]:
    for event in events:
        yield event


async def _lines(feed: AsyncGenerator[Event], after: EventId, *, html: bool) -> AsyncIterator[ServerSentEvent]:
    """Yield what comes after the cursor; for HTML the feed begins at the start, since it renders the whole answer."""
    rendering = Rendering() if html else None
    async with contextlib.aclosing(feed) as events:
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


def _cursor(request: Request) -> EventId:
    text = request.headers.get("last-event-id", "")
    if not text:
        return types.START
    try:
        return EventId.parse(text)
    except ValueError:
        raise Invalid("Last-Event-ID is none of ours.", errors={"Last-Event-ID": ["Not an event's id."]}) from None


def _wants_html(request: Request) -> bool:
    unknown = set(request.query_params) - {"render"}
    if unknown or request.query_params.get("render", "html") != "html":
        names = sorted(unknown) or ["render"]
        raise Invalid(
            "There is no such parameter.", errors={name[:100]: ["There is no such parameter."] for name in names}
        )
    return "render" in request.query_params
