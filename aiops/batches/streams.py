"""Streams of a batch: its progress as Server-Sent Events, its results and errors as files."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Send

from aiops import log
from aiops.batches.models import Batch, Item
from aiops.batches.shapes import BatchOut, ItemOut
from aiops.errors import Invalid, Unauthenticated
from aiops.events.hub import Hub, Kind, Signal
from aiops.web import identity
from aiops.web.api.parsing import refuse_unknown_parameters
from aiops.web.doors import guard
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
CELLS = ("custom_id", "state", "answer", "error", "model", "input_tokens", "output_tokens", "run")
FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""First characters of a cell that a spreadsheet would evaluate."""

logger = log.get(__name__)


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
    kind = request.query_params.get("as", "jsonl")
    if kind not in ("jsonl", "csv"):
        raise Invalid("There is no such format.", errors={"as": ["jsonl or csv."]})
    return Download(
        _pages(batch.pk, states, grant, as_csv=kind == "csv"),
        media_type="application/x-ndjson" if kind == "jsonl" else "text/csv",
        headers={"Content-Disposition": f'attachment; filename="{name}-{batch.pk}.{kind}"'},
    )


class Download(StreamingResponse):
    """A file that breaks off when its reader is signed out meanwhile, so that it does not look complete."""

    async def stream_response(self, send: Send) -> None:
        # without the last chunk, the server closes the connection
        try:
            await super().stream_response(send)
        except Unauthenticated:
            logger.info("download.cut")


async def _pages(batch_id: UUID, states: Sequence[str], grant: Pass, *, as_csv: bool) -> AsyncIterator[str]:
    """Yield the file in pages of items, holding one page at a time."""
    if as_csv:
        yield _csv([list(CELLS)])
    after = 0
    while items := await guard.in_thread(_read_page, batch_id, states, after, grant):
        yield _as_csv(items) if as_csv else _as_jsonl(items)
        after = items[-1].number


def _read_page(batch_id: UUID, states: Sequence[str], after: int, grant: Pass) -> list[Item]:
    identity.check(grant)  # for each page: a download may outlive its session
    rows = Item.objects.filter(batch=batch_id, state__in=states, number__gt=after)
    return list(rows.select_related("run").order_by("number")[:PAGE])


def _as_jsonl(items: list[Item]) -> str:
    return "".join(json.dumps(ItemOut(item).data, ensure_ascii=False) + "\n" for item in items)


def _as_csv(items: list[Item]) -> str:
    rows = []
    for item in items:
        shown = ItemOut(item).data
        usage = shown["usage"] or {}
        error = (shown["error"] or {}).get("detail", "")
        facts = [usage.get(name, "") for name in ("model", "input_tokens", "output_tokens")]
        rows.append([shown["custom_id"], shown["state"], shown["answer"] or "", error, *facts, shown["run"] or ""])
    return _csv(rows)


def _csv(rows: list[list[Any]]) -> str:
    """Return rows as CSV, with a quote before cells that a spreadsheet would evaluate; JSONL has them unchanged."""
    text = io.StringIO()
    safe = [[f"'{cell}" if str(cell).startswith(FORMULA) else cell for cell in row] for row in rows]
    csv.writer(text).writerows(safe)
    return text.getvalue()
