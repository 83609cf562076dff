"""The access log: one line for each request, when its response has ended; a stream's when the stream has."""

from __future__ import annotations

import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from aiops import log

USER = "aiops.user"
"""Key in the ASGI scope under which those that identify the caller leave the user's name."""
FREQUENT = ("/health/", "/metrics", "/static/", "/favicon.ico")
"""Requests of machines, and of files: written at level DEBUG only."""
MAX_PATH = 500

logger = log.get(__name__)


class AccessLog:
    """ASGI middleware around everything. It writes the path but not the query, which may hold what people type."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun, status, sent_bytes = time.perf_counter(), None, 0

        async def counted(message: Message) -> None:
            nonlocal status, sent_bytes
            await send(message)
            status = message.get("status", status)
            sent_bytes += len(message.get("body", b""))

        try:
            await self._app(scope, receive, counted)
        except Exception:
            status = status or 500
            raise
        finally:
            write = logger.debug if scope["path"].startswith(FREQUENT) else logger.info
            write(
                "request.ended",
                address=scope["client"][0] if scope.get("client") else "",
                user=scope.get(USER, ""),
                method=scope["method"],
                path=scope["path"][:MAX_PATH],
                status=status,
                ms=round((time.perf_counter() - begun) * 1e3, 1),
                bytes=sent_bytes,
            )
