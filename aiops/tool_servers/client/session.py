"""An MCP session that makes calls itself: arguments arrive as the model wrote them, results as the server sent them.

The SDK's own ``call_tool`` (mcp 1.30) validates results, so that an unknown kind of content or a null fails a call that
was made.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Callable
from typing import Any

import anyio
from mcp import ClientSession, McpError, types
from mcp.shared.session import ProgressFnT
from pydantic import BaseModel

from aiops.tool_servers.client import content
from aiops.tool_servers.client.messages import CUT_OFF
from aiops.tool_servers.client.values import Progress, ToolResult
from aiops.untrusted import clean_json, plain

MAX_PROGRESS_CHARACTERS = 300
GIVE_UP_S = 2.0
"""For the notice that a call was given up: a server that reads nothing must not hold its sender."""
SILENT = "The tool server answered with error {code} and no message."

FORGOTTEN = (32_600, "Session terminated")
"""Code and message of the SDK's own error for any 404 of a server over HTTP (mcp 1.30); servers' codes are negative."""

OnProgress = Callable[[Progress], None]

IDEMPOTENCY_KEY = "aiops/idempotency-key"
"""In the ``_meta`` of a call: the same for each repetition of it, so that a server can refuse the second."""


class _Result(BaseModel):
    """The result of a call, unvalidated."""

    content: Any = None
    structuredContent: Any = None  # noqa: N815  MCP's name
    isError: Any = False  # noqa: N815


class Session(ClientSession):
    """A session with one server."""

    async def call(self, name: str, arguments: dict[str, Any], *, on_progress: OnProgress, key: str = "") -> ToolResult:
        """Call a tool; an error of the tool or of JSON-RPC is a failed result, for it is what the server answered.

        Raises McpError only when the session has ended, the server has forgotten it, or the answer was cut off.
        ``on_progress`` must not block.
        """
        meta = types.RequestParams.Meta(**{IDEMPOTENCY_KEY: key}) if key else None
        params = types.CallToolRequestParams(name=name, arguments=clean_json(arguments), _meta=meta)
        request = types.ClientRequest(types.CallToolRequest(params=params))
        number = self._request_id  # the one that send_request takes next
        try:
            result = await self.send_request(request, _Result, progress_callback=_reporting(on_progress))
        except McpError as error:
            if self.has_ended or is_forgotten(error) or is_cut_off(error):
                raise
            return ToolResult(plain(error.error.message) or SILENT.format(code=error.error.code), failed=True)
        except asyncio.CancelledError:
            with contextlib.suppress(RuntimeError):  # the session has closed, and the call with it
                self._task_group.start_soon(self._give_up, number)
            raise
        return ToolResult(plain(content.as_text(result.model_dump())), failed=bool(result.isError))

    @property
    def has_ended(self) -> bool:
        """Whether the transport has closed: then the SDK answers waiting calls with an error of its own."""
        seen = self._read_stream.statistics()
        return seen.open_send_streams == 0 or seen.open_receive_streams == 0

    async def _give_up(self, number: int) -> None:
        """Ask the server to stop a call whose time is over or whose run was stopped."""
        params = types.CancelledNotificationParams(requestId=number, reason="The caller no longer waits.")
        notification = types.ClientNotification(types.CancelledNotification(params=params))
        closed = (anyio.ClosedResourceError, anyio.BrokenResourceError)
        with contextlib.suppress(TimeoutError, *closed):  # there is nothing left to stop, or nobody who listens
            async with asyncio.timeout(GIVE_UP_S):
                await self.send_notification(notification)


def is_forgotten(error: BaseException) -> bool:
    """Return whether a server no longer knows the session, as after its restart: it has done nothing of the request."""
    return isinstance(error, McpError) and (error.error.code, error.error.message) == FORGOTTEN


def is_cut_off(error: BaseException) -> bool:
    """Return whether the connection was closed before the answer; the server may be well all the same."""
    return isinstance(error, McpError) and (error.error.code, error.error.message) == CUT_OFF


def _reporting(on_progress: OnProgress) -> ProgressFnT:
    async def report(progress: float, total: float | None, message: str | None) -> None:
        if math.isfinite(progress):
            whole = total if total is not None and math.isfinite(total) else None
            on_progress(Progress(progress, whole, plain(message or "")[:MAX_PROGRESS_CHARACTERS]))

    return report
