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


class ToolTimeout(Exception):
    """The tool did not answer in time."""
