"""One MCP server: a single owner task opens its session, serves calls over it, reconnects and closes it."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Coroutine
from typing import Any

import anyio
import httpx
from langchain_core.tools import BaseTool
from langchain_mcp_adapters.tools import load_mcp_tools
from mcp import ClientSession, McpError

from aiops import log
from aiops.tools import listing, transport
from aiops.tools.values import RemoteTool, ServerSpec, ToolResult

PING_S = 5.0
TOOLS_TTL_S = 300.0
"""How long a server's list of tools is believed."""
FIRST_BACKOFF_S = 0.2
STOP_S = 3.0
STOP_TRIES = 3
MAX_BACKOFF_S = 15.0
MAX_RESULT_CHARACTERS = 1_000_000
"""What is worked on of one result; the model is shown far less of it."""
BROKEN = (
    anyio.ClosedResourceError,
    anyio.BrokenResourceError,
    anyio.EndOfStream,
    httpx.HTTPError,
    ConnectionError,
    OSError,
)
"""What a call meets when the server or the way to it is gone."""
CONNECTION_CLOSED = -32_000
"""JSON-RPC code with which the MCP SDK answers calls that were pending when its stream closed (mcp 1.30)."""

logger = log.get(__name__)


class ServerDown(Exception):
    """The tool server cannot be reached; it is being reconnected."""


class ToolTimeout(Exception):
    """The tool did not answer in time."""


class ToolServer:
    """A server and its owner task; everything else asks through ``call``."""

    def __init__(self, spec: ServerSpec, *, timeout_s: float) -> None:
        self.spec = spec
        self.tools: dict[str, RemoteTool] = {}
        self.failure = "not connected yet"
        self._timeout_s = spec.call_s or timeout_s
        self._up = False
        self._bound: dict[str, BaseTool] = {}
        self._broken = asyncio.Event()
        self._woken = asyncio.Event()
        self._listed_at = float("-inf")
        self._settled = asyncio.Event()
        self._owner: asyncio.Task[None] | None = None
        self._ending = False
        self._pending: set[asyncio.Future[Any]] = set()

    @property
    def connected(self) -> bool:
        """Whether calls can be made now."""
        return self._up

    def start(self) -> None:
        """Start the owner task on the running loop."""
        if self._owner is None:
            self._owner = asyncio.create_task(self._own(), name=f"tools:{self.spec.name}")

    async def stop(self) -> None:
        """Close the session and end the owner task; one that will not end is asked again, and then left."""
        self._ending = True
        self._fall()
        for _ in range(STOP_TRIES if self._owner is not None else 0):
            assert self._owner is not None
            self._owner.cancel()
            await asyncio.wait([self._owner], timeout=STOP_S)
            if self._owner.done():
                return

    async def retire(self) -> None:
        """Let the calls under way end, as long as a call may take, then stop."""
        if self._pending:
            await asyncio.wait(list(self._pending), timeout=self._timeout_s)
        await self.stop()

    async def settle(self, timeout_s: float) -> None:
        """Wait until the first try to connect has ended, one way or the other."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._settled.wait(), timeout_s)

    def refresh(self) -> None:
        """List the tools anew, soon."""
        self._listed_at = float("-inf")
        self._woken.set()

    async def back(self, timeout_s: float) -> bool:
        """Wait for the server to be connected again; False when it is not in time."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                while not self.connected:
                    await asyncio.sleep(0.05)
        return self.connected

    async def call(self, remote_name: str, arguments: dict[str, Any]) -> ToolResult:
        """Call a tool; raises ServerDown or ToolTimeout. What the tool itself reports comes back as a result."""
        tool = self._bound.get(remote_name)
        if tool is None:
            why = f"has no tool {remote_name!r} any more" if self._up else f"is not connected: {self.failure}"
            raise ServerDown(f"The tool server {self.spec.name!r} {why}")
        try:
            call = {"type": "tool_call", "name": tool.name, "args": arguments, "id": "call"}
            async with asyncio.timeout(self._timeout_s):
                message = await self._unless_lost(tool.ainvoke(call))
        except TimeoutError as error:
            raise ToolTimeout(f"The tool {remote_name!r} did not answer within {self._timeout_s:g} s.") from error
        except McpError as error:
            if error.error.code != CONNECTION_CLOSED:
                return ToolResult(f"{error.error.message}", failed=True)
            self._lose(error)
            raise ServerDown(f"The tool server {self.spec.name!r} ended during the call.") from error
        except BROKEN as error:
            self._lose(error)
            raise ServerDown(f"The tool server {self.spec.name!r} was lost during the call.") from error
        return ToolResult(_bounded(message.text), failed=message.status == "error")

    async def _unless_lost(self, call: Coroutine[Any, Any, Any]) -> Any:
        """Await a call; raises ConnectionError when the session ends before its answer."""
        pending = asyncio.ensure_future(call)
        self._pending.add(pending)
        try:
            return await pending
        except asyncio.CancelledError:
            if not self._broken.is_set() or self._current_is_cancelled():
                raise
            raise ConnectionResetError("the session ended") from None
        finally:
            self._pending.discard(pending)
            pending.cancel()

    @staticmethod
    def _current_is_cancelled() -> bool:
        task = asyncio.current_task()
        return task is not None and task.cancelling() > 0

    def _lose(self, error: Exception) -> None:
        self.failure = f"{type(error).__name__}: {error}"[:300]
        self._fall()

    async def _own(self) -> None:
        backoff_s = FIRST_BACKOFF_S
        while not self._ending:  # a transport that is cancelled while it opens raises its own error instead
            try:
                self._broken.clear()
                await self._serve()
                backoff_s = FIRST_BACKOFF_S
            except (Exception, BaseExceptionGroup) as error:  # noqa: BLE001  whatever ends a session, we connect again
                if self._ending:
                    return
                self.failure = transport.reason(error)
                logger.warning("tools.down", server=self.spec.name, reason=self.failure, again_in_s=backoff_s)
            finally:
                self._fall()
            self._settled.set()
            await asyncio.sleep(backoff_s)
            backoff_s = min(backoff_s * 2, MAX_BACKOFF_S)

    def _fall(self) -> None:
        """No session is left, or it is of no use: end the calls that wait for it."""
        self._up, self._bound = False, {}
        self._broken.set()
        self._woken.set()
        for pending in list(self._pending):
            pending.cancel()

    async def _serve(self) -> None:
        """Hold one session until it breaks."""
        async with asyncio.timeout(self.spec.handshake_s) as opening, transport.session(self.spec) as session:
            try:
                await session.initialize()
                await self._list(session)
                opening.reschedule(None)
                self._settled.set()
                logger.info("tools.up", server=self.spec.name, tools=len(self.tools))
                await self._hold(session)
            finally:
                self._fall()  # before the session closes, which can take its time

    async def _hold(self, session: ClientSession) -> None:
        while not self._broken.is_set():
            self._woken.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._woken.wait(), PING_S)
            if self._pending or self._broken.is_set():
                continue  # a tool that blocks its server would not let it answer; calls have their own time
            async with asyncio.timeout(self.spec.handshake_s):
                stale = time.monotonic() - self._listed_at > TOOLS_TTL_S
                await (self._list(session) if stale else session.send_ping())

    async def _list(self, session: ClientSession) -> None:
        self._listed_at = time.monotonic()
        self.tools, self._bound = listing.usable(self.spec.name, await load_mcp_tools(session))
        self._up = True


def _bounded(text: str) -> str:
    """Return the beginning of a result that is larger than anybody will be shown."""
    return text if len(text) <= MAX_RESULT_CHARACTERS else text[:MAX_RESULT_CHARACTERS] + "\n[cut]"
