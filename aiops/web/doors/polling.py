"""Long polling: ``GET /api/runs/{id}/?wait=1..30`` responds when the run has ended, or after so many seconds."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from aiops.errors import Invalid, NotFound
from aiops.events import types
from aiops.runs import states
from aiops.runs.models import Run
from aiops.runs.shapes import RunOut
from aiops.web import identity
from aiops.web.api.parsing import refuse_unknown_parameters
from aiops.web.doors import guard, viewing
from aiops.web.identity import Pass

MAX_WAIT_S = 30


class LongPoll:
    """Serves requests with ``wait``, and passes all others on to Django."""

    def __init__(self, otherwise: ASGIApp) -> None:
        self._otherwise = otherwise

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        waits = request.method == "GET" and "wait" in request.query_params
        await (await wait(request) if waits else self._otherwise)(scope, receive, send)


async def wait(request: Request) -> Response:
    """Return the run when it has ended, or its present state when the time is up."""
    run, let_in = await guard.run_of_caller(request)
    seconds = _seconds(request)
    if run.state in states.UNFINISHED:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                async with contextlib.aclosing(
                    viewing.watch(request.app.state.hub, str(run.pk), types.START, let_in)
                ) as events:
                    async for _ in events:
                        pass
    return JSONResponse(await guard.in_thread(_reload, run, let_in))


def _reload(run: Run, let_in: Pass) -> dict[str, Any]:
    identity.check(let_in)  # the caller may have signed out meanwhile
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
    refuse_unknown_parameters(request.query_params, known={"wait"})
    if not (text.isascii() and text.isdecimal() and len(text) <= 2 and 1 <= int(text) <= MAX_WAIT_S):
        raise Invalid("wait is out of range.", errors={"wait": [f"A whole number of seconds, 1 to {MAX_WAIT_S}."]})
    return int(text)
