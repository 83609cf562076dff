"""Streams of a batch: its progress as Server-Sent Events, its results and errors as files."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from uuid import UUID

from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response

from aiops.batches.models import Batch, Item
from aiops.batches.outputs import FORMS, Form
from aiops.batches.shapes import BatchOut
from aiops.errors import Invalid
from aiops.events.hub import Hub, Kind, Signal
from aiops.web import identity
from aiops.web.api.parsing import refuse_unknown_parameters
from aiops.web.doors import guard
from aiops.web.doors.downloads import Download
from aiops.web.doors.shared import SharedQuery
from aiops.web.identity import Pass

EVERY_S = 0.25
"""Shortest time between two queries of a batch's row, and so between two events."""
POLL_S = 2.0
"""Time between queries when no change is published."""
PING_S = 15
PAGE = 500
ENDED = "ended"
"""Id of the last event: a client that reconnects with it has seen everything."""
WITHOUT_ANSWER = [Item.State.FAILED, Item.State.CANCELLED, Item.State.EXPIRED, Item.State.INVALID]


async def events(request: Request) -> Response:
    """Stream a batch's progress until its end; 204 when the caller has seen the end."""
    batch, grant = await guard.batch_of_caller(request)
    refuse_unknown_parameters(request.query_params, known=set())
    if batch.state in Batch.ENDED and request.headers.get("last-event-id") == ENDED:
        return Response(status_code=204)
    return EventSourceResponse(
        _progress(request.app.state.hub, _shared_rows(request.app), batch.pk, grant),
        ping=PING_S,
        ping_message_factory=lambda: ServerSentEvent(comment="still here"),
        headers={"Cache-Control": "no-cache, no-transform", "X-Accel-Buffering": "no"},
    )


async def results(request: Request) -> Response:
    """Stream the items that have an answer, in the order of the file."""
    return await _file(request, [Item.State.SUCCEEDED], "results")


async def errors(request: Request) -> Response:
    """Stream the items that ended without an answer, with the reasons."""
    return await _file(request, WITHOUT_ANSWER, "errors")


async def _progress(hub: Hub, rows: Rows, batch_id: UUID, grant: Pass) -> AsyncIterator[ServerSentEvent]:
    """Yield each change; viewers share ``rows``, so that one query serves all who watch a batch."""
    now = asyncio.get_running_loop().time
    shown, since = None, now() - EVERY_S
    async with hub.watch(str(batch_id), grant, kind=Kind.BATCH) as viewer:
        while True:
            seen = await rows.get(batch_id, since=since)
            if seen is None:
                return  # deleted
            if seen != shown:  # most polls find no change
                yield ServerSentEvent(seen.text, event="batch.progress")
                shown = seen
            if seen.ended:
                yield ServerSentEvent(seen.text, event="batch.ended", id=ENDED)
                return
            item = await viewer.next(POLL_S)
            if item is Signal.DISMISSED or viewer.drain() is Signal.DISMISSED:
                return
            since = now() if item is not None else now() - POLL_S


@dataclass(frozen=True, slots=True)
class Progress:
    """The progress of a batch as JSON."""

    text: str
    ended: bool


Rows = SharedQuery[UUID, Progress | None]


def _shared_rows(app: Starlette) -> Rows:
    """Return the query of batches that all viewers of this process share."""
    if not hasattr(app.state, "batches"):
        app.state.batches = SharedQuery(_read_progress, every_s=EVERY_S)
    rows: Rows = app.state.batches
    return rows


def _read_progress(batch_id: UUID) -> Progress | None:
    batch = Batch.objects.filter(pk=batch_id, deleted_at=None).first()
    if batch is None:
        return None
    text = json.dumps(BatchOut(batch).data, ensure_ascii=False, separators=(",", ":"), default=str)
    return Progress(text, ended=batch.state in Batch.ENDED)


async def _file(request: Request, states: Sequence[str], name: str) -> Response:
    batch, grant = await guard.batch_of_caller(request)
    refuse_unknown_parameters(request.query_params, known={"as"})
    form = FORMS.get(request.query_params.get("as", "jsonl"))
    if form is None:
        raise Invalid("There is no such format.", errors={"as": [f"One of {', '.join(FORMS)}."]})
    return Download(
        _pages(batch.pk, states, grant, form),
        media_type=form.media_type,
        headers={"Content-Disposition": f'attachment; filename="{name}-{batch.pk}{form.suffix}.{form.ending}"'},
    )


async def _pages(batch_id: UUID, states: Sequence[str], grant: Pass, form: Form) -> AsyncIterator[str]:
    """Yield the file in pages of items, holding one page at a time."""
    if first := form.begin():
        yield first
    after = 0
    while items := await guard.in_thread(_read_page, batch_id, states, after, grant):
        yield form.write(items)
        after = items[-1].number


def _read_page(batch_id: UUID, states: Sequence[str], after: int, grant: Pass) -> list[Item]:
    identity.check(grant)  # for each page: a download may outlive its session
    rows = Item.objects.filter(batch=batch_id, state__in=states, number__gt=after)
    return list(rows.select_related("run").order_by("number")[:PAGE])
