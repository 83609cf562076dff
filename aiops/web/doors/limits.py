"""What every request passes first: a bound on its body, and the headers that keep browsers safe."""

from __future__ import annotations

import json
from collections.abc import Mapping

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from aiops.web.api import problems

CSP = (
    "default-src 'self'; img-src 'self' data:; connect-src 'self'; style-src 'self'; script-src 'self'; "
    "object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
DOCS_CSP = CSP.replace("style-src 'self'", "style-src 'self' 'unsafe-inline'")
"""Swagger UI sets inline styles; its page shows nothing that users wrote."""
DOCS_PATH = "/api/docs/"
ADMIN_CSP = DOCS_CSP.replace("script-src 'self'", "script-src 'self' 'unsafe-eval'")
"""The administration's Alpine.js evaluates what its templates hold; staff alone open it."""
ADMIN_PATH = "/admin/"


class _TooLarge(Exception):
    """The body is larger than allowed."""


class Limits:
    """ASGI middleware around everything."""

    def __init__(self, app: ASGIApp, *, max_body_bytes: int, of_path: Mapping[str, int]) -> None:
        self._app = app
        self._usual = max_body_bytes
        self._of_path = of_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request within the bounds."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        most = self._of_path.get(scope["path"], self._usual)
        started = False
        got = 0

        async def counted() -> Message:
            nonlocal got
            message = await receive()
            got += len(message.get("body", b""))
            if got > most:
                raise _TooLarge
            return message

        async def guarded(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                _secure(message, path=scope["path"])
            await send(message)

        try:
            length = headers.get(b"content-length", b"0")
            if not length.isdigit() or int(length[:20]) > most:
                raise _TooLarge
            await self._app(scope, counted, guarded)
        except _TooLarge:
            if not started:
                await self._refuse(guarded, most)

    async def _refuse(self, send: Send, most: int) -> None:
        detail = f"The body is larger than {most} bytes."
        body = json.dumps(problems.body(413, "body_too_large", "Body too large", detail)).encode()
        headers = [
            (b"content-type", problems.CONTENT_TYPE.encode()),
            (b"content-length", str(len(body)).encode()),
            (b"connection", b"close"),
        ]
        await send({"type": "http.response.start", "status": 413, "headers": headers})
        await send({"type": "http.response.body", "body": body})


def _policy(path: str) -> str:
    if path.startswith(ADMIN_PATH):
        return ADMIN_CSP
    return DOCS_CSP if path == DOCS_PATH else CSP


def _secure(message: Message, *, path: str) -> None:
    headers = MutableHeaders(scope=message)
    headers.setdefault("Content-Security-Policy", _policy(path))
    headers.setdefault("Cache-Control", "no-cache" if path.startswith("/static/") else "private, no-store")
    headers.setdefault("X-Content-Type-Options", "nosniff")
    headers.setdefault("X-Frame-Options", "DENY")
    headers.setdefault("Referrer-Policy", "same-origin")
    headers.setdefault("Cross-Origin-Opener-Policy", "same-origin")
