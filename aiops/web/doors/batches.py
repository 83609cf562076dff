"""The doors of a batch: its progress as Server-Sent Events, its results and errors as files, some rows at a time."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from collections.abc import AsyncIterator, Callable
from typing import Any
from uuid import UUID

from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from aiops.batches.models import Batch, Item
from aiops.errors import Invalid
from aiops.events.hub import Hub, Signal
from aiops.web.api.batch_shapes import BatchOut, ItemOut
from aiops.web.doors import guard
from aiops.web.identity import Pass

EVERY_S = 0.25
"""Progress is shown at most so often."""
LOOK_S = 2.0
"""The row is looked at so often when nobody tells of a change."""
PING_S = 15
STEP = 500
ENDED = "ended"
"""Id of the last event: who comes back with it has seen all."""
WITHOUT_ANSWER = (Item.State.FAILED, Item.State.CANCELLED, Item.State.EXPIRED, Item.State.INVALID)
FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""How a cell begins that a spreadsheet would compute."""


async def events(request: Request) -> Response:
    """Stream a batch's progress until its end; 204 when the caller has seen the end."""
    batch, let_in = await guard.batch_of_caller(request)
    _refuse_parameters(request, known=set())
    if batch.state in Batch.ENDED and request.headers.get("last-event-id") == ENDED:
        return Response(status_code=204)
    return EventSourceResponse(
        _progress(request.app.state.hub, batch.pk, let_in),
        ping=PING_S,
        ping_message_factory=lambda: ServerSentEvent(comment="still here"),
        headers={"Cache-Control": "no-cache, no-transform", "X-Accel-Buffering": "no"},
    )


async def results(request: Request) -> Response:
    """Stream the items that have an answer, in the order of the file."""
    return await _file(request, [Item.State.SUCCEEDED], "results")


async def errors(request: Request) -> Response:
    """Stream the items that have no answer and get none, with the reasons."""
    return await _file(request, list(WITHOUT_ANSWER), "errors")


async def _progress(hub: Hub, batch_id: UUID, let_in: Pass) -> AsyncIterator[ServerSentEvent]:
    shown = None
    async with hub.watch(str(batch_id), let_in) as viewer:
        while True:
            viewer.drain()
            seen = await guard.in_thread(_look, batch_id)
            if seen is None:
                return  # deleted
            if seen != shown:
                yield _event("batch.progress", seen)
                shown = seen
            if seen["state"] in Batch.ENDED:
                yield _event("batch.ended", seen, id_=ENDED)
                return
            await asyncio.sleep(EVERY_S)
            if await viewer.next(LOOK_S) is Signal.DISMISSED:
                return


def _look(batch_id: UUID) -> dict[str, Any] | None:
    batch = Batch.objects.filter(pk=batch_id, deleted_at=None).first()
    return dict(BatchOut(batch).data) if batch is not None else None


def _event(name: str, data: dict[str, Any], *, id_: str | None = None) -> ServerSentEvent:
    return ServerSentEvent(json.dumps(data, ensure_ascii=False, separators=(",", ":"), default=str), event=name, id=id_)


async def _file(request: Request, states: list[str], name: str) -> Response:
    batch, _ = await guard.batch_of_caller(request)
    _refuse_parameters(request, known={"as"})
    kind = request.query_params.get("as", "jsonl")
    if kind not in ("jsonl", "csv"):
        raise Invalid("There is no such format.", errors={"as": ["jsonl or csv."]})
    written: Callable[[list[Item]], str] = _as_jsonl if kind == "jsonl" else _as_csv
    return StreamingResponse(
        _rows(batch.pk, states, written, head=_csv([list(CELLS)]) if kind == "csv" else ""),
        media_type="application/x-ndjson" if kind == "jsonl" else "text/csv",
        headers={"Content-Disposition": f'attachment; filename="{name}-{batch.pk}.{kind}"'},
    )


async def _rows(
    batch_id: UUID, states: list[str], written: Callable[[list[Item]], str], *, head: str
) -> AsyncIterator[str]:
    """Yield the file in steps of items; none of the rows is held longer than its step."""
    after = 0
    if head:
        yield head
    while items := await guard.in_thread(_step, batch_id, states, after):
        yield written(items)
        after = items[-1].number


def _step(batch_id: UUID, states: list[str], after: int) -> list[Item]:
    rows = Item.objects.filter(batch=batch_id, state__in=states, number__gt=after)
    return list(rows.select_related("run").order_by("number")[:STEP])


def _as_jsonl(items: list[Item]) -> str:
    return "".join(json.dumps(ItemOut(item).data, ensure_ascii=False) + "\n" for item in items)


CELLS = ("custom_id", "state", "answer", "error", "model", "input_tokens", "output_tokens", "run")


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
    """Return rows as CSV; what a spreadsheet would compute gets a quote before it (JSONL has it as it is)."""
    text = io.StringIO()
    safe = [[f"'{cell}" if str(cell).startswith(FORMULA) else cell for cell in row] for row in rows]
    csv.writer(text).writerows(safe)
    return text.getvalue()


def _refuse_parameters(request: Request, *, known: set[str]) -> None:
    unknown = sorted(set(request.query_params) - known)
    if unknown:
        raise Invalid(
            "There is no such parameter.", errors={name[:100]: ["There is no such parameter."] for name in unknown}
        )
