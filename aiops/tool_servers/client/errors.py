"""Why a tool could not be called, or did not answer."""

from __future__ import annotations

import anyio
import httpx

BROKEN = (
    anyio.ClosedResourceError,
    anyio.BrokenResourceError,
    anyio.EndOfStream,
    httpx.HTTPError,
    ConnectionError,
    OSError,
)
"""Errors of a call when the server or the connection is lost."""


class ServerDown(Exception):
    """The tool server cannot be reached; it is being reconnected. ``unmade``: the call has not begun."""

    def __init__(self, text: str, *, unmade: bool = False) -> None:
        super().__init__(text)
        self.unmade = unmade


class CircuitOpen(ServerDown):
    """Calls of this server fail at once for now (see ``breaker``); nobody waits for it."""

    def __init__(self, text: str) -> None:
        super().__init__(text, unmade=True)


class ToolTimeout(Exception):
    """The tool did not answer in time."""
