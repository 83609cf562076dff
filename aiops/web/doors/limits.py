"""The outermost middleware: bounds the body of each request, and adds security headers to each response."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable, Mapping

from django.db import DatabaseError
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from aiops.errors import AiopsError, TooLarge
from aiops.web.api import problems

CSP = (
    "default-src 'self'; img-src 'self' data:; connect-src 'self'; style-src 'self'; script-src 'self'; "
    "object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
ADMIN_CSP = CSP.replace("style-src 'self'", "style-src 'self' 'unsafe-inline'").replace(
    "script-src 'self'", "script-src 'self' 'unsafe-eval'"
)
"""The administration's Alpine.js evaluates expressions in its templates, and its pages set styles; only staff can
open it."""
ADMIN_PATH = "/admin/"
DISCARD_S = 120.0
"""A refused body is read and dropped for this long: closing at once would reset the connection before the answer."""
SILENCE_S = 5.0
"""Reading a refused body stops when nothing arrives for this long."""

Admit = Callable[[Scope], Awaitable[None]]


class Limits:
    """ASGI middleware around everything.

    ``of_path`` holds the limits of paths that accept files. A body above the usual limit is read only if ``admit``
    accepts the caller; it raises AiopsError for others.
    """

    def __init__(self, app: ASGIApp, *, max_body_bytes: int, of_path: Mapping[str, int], admit: Admit) -> None:
        self._app = app
        self._usual = max_body_bytes
        self._of_path = of_path
        self._admit = admit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        most = self._of_path.get(scope["path"], self._usual)
        started = arrived = False
        got = 0

        async def counted() -> Message:
            nonlocal got, arrived
            message = await receive()
            got += len(message.get("body", b""))
            arrived = not message.get("more_body")
            return message if got <= most else {"type": "http.disconnect"}  # makes the application stop

        async def guarded(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                _secure(message, path=scope["path"])
            await send(message)

        refusal = await self._refusal(scope, most)
        if refusal is None:
            await self._app(scope, counted, guarded)
            refusal = _too_large(most) if got > most else None
        if refusal is not None and not started:
            await _refuse(guarded, refusal, rest=None if arrived else receive)

    async def _refusal(self, scope: Scope, most: int) -> AiopsError | None:
        """Return why a body is not read at all: too large by its header, or larger than this caller may send."""
        headers = Headers(scope=scope)
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length[:20]) > most:
            return _too_large(most)
        if most == self._usual or ("transfer-encoding" not in headers and int(length) <= self._usual):
            return None
        try:
            await self._admit(scope)
        except AiopsError as error:
            return error
        except DatabaseError as error:
            return problems.unavailable(error)
        return None


def _too_large(most: int) -> TooLarge:
    return TooLarge(f"The body is larger than {most} bytes.")


async def _refuse(send: Send, error: AiopsError, *, rest: Receive | None) -> None:
    """Send the error; end the response when the rest of the body has arrived, the client is gone or time is up."""
    members, headers = problems.of(error)
    body = json.dumps(members).encode()
    headers |= {"Content-Type": problems.CONTENT_TYPE, "Content-Length": str(len(body)), "Connection": "close"}
    raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": error.status, "headers": raw})
    await send({"type": "http.response.body", "body": body, "more_body": True})
    if rest is not None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DISCARD_S):
                while (await asyncio.wait_for(rest(), SILENCE_S)).get("more_body"):
                    pass
    await send({"type": "http.response.body"})


def _policy(path: str) -> str:
    return ADMIN_CSP if path.startswith(ADMIN_PATH) else CSP


def _secure(message: Message, *, path: str) -> None:
    headers = MutableHeaders(scope=message)
    headers.setdefault("Content-Security-Policy", _policy(path))
    headers.setdefault("Cache-Control", "no-cache" if path.startswith("/static/") else "private, no-store")
    headers.setdefault("X-Content-Type-Options", "nosniff")
    headers.setdefault("X-Frame-Options", "DENY")
    headers.setdefault("Referrer-Policy", "same-origin")
    headers.setdefault("Cross-Origin-Opener-Policy", "same-origin")
