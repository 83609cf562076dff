"""The long-poll door: ``GET /api/runs/{id}/?wait=1..30`` answers when the run has ended, or after so many seconds."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from aiops.conversations.models import Run
from aiops.errors import Invalid, NotFound
from aiops.events import types
from aiops.web.api.shapes import RunOut
from aiops.web.doors import guard, viewing

MAX_WAIT_S = 30


class LongPoll:
    """Serves a run with ``wait``, and hands every other request for it on to Django."""

    def __init__(self, otherwise: ASGIApp) -> None:
        self._otherwise = otherwise

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        request = Request(scope, receive)
        if request.method == "GET" and "wait" in request.query_params:
            response = await wait(request)
            await response(scope, receive, send)
        else:
            await self._otherwise(scope, receive, send)


async def wait(request: Request) -> Response:
    """Return the run once it has ended, or as it is when the time is up."""
    run, _ = await guard.run_of_caller(request)
    seconds = _seconds(request)
    if run.state in Run.UNFINISHED:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                async with contextlib.aclosing(
                    viewing.watch(request.app.state.hub, str(run.pk), types.START)
                ) as events:
                    async for _ in events:
                        pass
    shown = await guard.in_thread(_shown, run)
    return JSONResponse(shown)


def _shown(run: Run) -> dict[str, Any]:
    try:
        run.refresh_from_db()
    except Run.DoesNotExist:
        raise NotFound("This run was deleted.") from None
    return {
        **RunOut(run).data,
        "id": str(run.pk),
        "conversation": str(run.conversation_id),
        "message": str(run.message_id),
    }


def _seconds(request: Request) -> int:
    text = request.query_params["wait"]
    unknown = sorted(set(request.query_params) - {"wait"})
    if unknown:
        raise Invalid(
            "There is no such parameter.", errors={name[:100]: ["There is no such parameter."] for name in unknown}
        )
    if not (text.isascii() and text.isdecimal() and len(text) <= 2 and 1 <= int(text) <= MAX_WAIT_S):
        raise Invalid("wait is out of range.", errors={"wait": [f"A whole number of seconds, 1 to {MAX_WAIT_S}."]})
    return int(text)
