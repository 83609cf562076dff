"""One MCP server: a single owner task opens its session, keeps it alive, reconnects and closes it."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Coroutine
from dataclasses import replace
from typing import Any

import anyio
import httpx
from langchain_core.tools import BaseTool
from mcp import ClientSession, McpError

from aiops import log
from aiops.tool_servers.client import listing, transport
from aiops.tool_servers.client.values import Offered, RemoteTool, ServerSpec, ToolResult

PING_S = 5.0
TOOLS_TTL_S = 300.0
"""Lifetime of a server's list of tools."""
FIRST_BACKOFF_S = 0.2
STOP_S = 3.0
STOP_TRIES = 3
MAX_BACKOFF_S = 15.0
MAX_RESULT_CHARACTERS = 1_000_000
"""Part of a result that is processed; the model gets far less of it."""
BROKEN = (
    anyio.ClosedResourceError,
    anyio.BrokenResourceError,
    anyio.EndOfStream,
    httpx.HTTPError,
    ConnectionError,
    OSError,
)
"""Errors of a call when the server or the connection is lost."""
CONNECTION_CLOSED = -32_000
"""JSON-RPC code with which the MCP SDK answers calls that were pending when its stream closed (mcp 1.30)."""

logger = log.get(__name__)


class ServerDown(Exception):
    """The tool server cannot be reached; it is being reconnected."""


class ToolTimeout(Exception):
    """The tool did not answer in time."""


class ToolServer:
    """A server and its owner task; ``call`` is safe from any task of the loop."""

    def __init__(self, spec: ServerSpec, *, timeout_s: float) -> None:
        self.spec = spec
        self.tools: dict[str, RemoteTool] = {}
        self.failure = "not connected yet"
        self._timeout_s = spec.call_s or timeout_s
        self.connected = False
        self._bound: dict[str, BaseTool] = {}
        self._refused: tuple[Offered, ...] = ()
        self._broken = asyncio.Event()
        self._woken = asyncio.Event()
        self._listed_at = float("-inf")
        self._settled = asyncio.Event()
        self._owner: asyncio.Task[None] | None = None
        self._ending = False
        self._pending: set[asyncio.Future[Any]] = set()

    def start(self) -> None:
        """Start the owner task on the running loop."""
        if self._owner is None:
            self._owner = asyncio.create_task(self._own(), name=f"tools:{self.spec.name}")

    async def stop(self) -> None:
        """Close the session and end the owner task; one that ignores STOP_TRIES cancellations is left alone."""
        self._ending = True
        self._fall()
        for _ in range(STOP_TRIES if self._owner is not None else 0):
            assert self._owner is not None
            self._owner.cancel()
            await asyncio.wait([self._owner], timeout=STOP_S)
            if self._owner.done():
                return

    async def retire(self) -> None:
        """Stop after the pending calls have ended, or their time is over."""
        if self._pending:
            await asyncio.wait(list(self._pending), timeout=self._timeout_s)
        await self.stop()

    async def wait_settled(self, timeout_s: float) -> None:
        """Wait until the first attempt to connect has succeeded or failed."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._settled.wait(), timeout_s)

    def refresh(self) -> None:
        """List the tools again, soon."""
        self._outdate()
        self._woken.set()

    def _outdate(self) -> None:
        """List the tools again at the next ping: however often a server announces changes, not more often."""
        self._listed_at = float("-inf")

    async def wait_connected(self, timeout_s: float) -> bool:
        """Wait until the server is connected; False when it is not in time."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                while not self.connected:
                    await asyncio.sleep(0.05)
        return self.connected

    async def call(self, remote_name: str, arguments: dict[str, Any]) -> ToolResult:
        """Call a tool; raises ServerDown or ToolTimeout. An error of the tool itself is returned as a failed result."""
        tool = self._bound.get(remote_name)
        if tool is None:
            why = f"has no tool {remote_name!r} any more" if self.connected else f"is not connected: {self.failure}"
            raise ServerDown(f"The tool server {self.spec.name!r} {why}")
        try:
            async with asyncio.timeout(self._timeout_s):
                message = await self._unless_lost(
                    tool.ainvoke({"type": "tool_call", "name": tool.name, "args": arguments, "id": "call"})
                )
        except TimeoutError as error:
            raise ToolTimeout(f"The tool {remote_name!r} did not answer within {self._timeout_s:g} s.") from error
        except (McpError, *BROKEN) as error:
            if isinstance(error, McpError) and error.error.code != CONNECTION_CLOSED:
                return ToolResult(error.error.message, failed=True)
            self._lose(error)
            raise ServerDown(f"The tool server {self.spec.name!r} was lost during the call.") from error
        cut = "\n[cut]" if len(message.text) > MAX_RESULT_CHARACTERS else ""
        return ToolResult(message.text[:MAX_RESULT_CHARACTERS] + cut, failed=message.status == "error")

    async def _unless_lost(self, call: Coroutine[Any, Any, Any]) -> Any:
        """Await a call; raises ConnectionError when the session ends before its answer."""
        pending = asyncio.ensure_future(call)
        self._pending.add(pending)
        try:
            return await pending
        except asyncio.CancelledError:
            task = asyncio.current_task()
            # _fall cancels pending calls; a cancellation of the caller's own task must go on.
            if not self._broken.is_set() or (task is not None and task.cancelling() > 0):
                raise
            raise ConnectionResetError("the session ended") from None
        finally:
            self._pending.discard(pending)
            pending.cancel()

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
            except (Exception, BaseExceptionGroup) as error:  # noqa: BLE001  reconnect after any error
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
        """End the calls that wait for the session: it is closed or unusable."""
        self.connected, self._bound = False, {}
        self._broken.set()
        self._woken.set()
        for pending in list(self._pending):
            pending.cancel()

    async def _serve(self) -> None:
        """Hold one session until it breaks."""
        async with (
            asyncio.timeout(self.spec.handshake_s) as opening,
            # The transport holds requests to the limit of calls, too.
            transport.session(replace(self.spec, call_s=self._timeout_s), on_change=self._outdate) as session,
        ):
            try:
                await session.initialize()
                await self._list(session)
                opening.reschedule(None)
                self._settled.set()
                logger.info("tools.up", server=self.spec.name, tools=len(self.tools))
                await self._hold(session)
            finally:
                self._fall()  # before the session closes, which can take long

    async def _hold(self, session: ClientSession) -> None:
        while not self._broken.is_set():
            self._woken.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._woken.wait(), PING_S)
            if self._broken.is_set():
                continue
            stale = time.monotonic() - self._listed_at > TOOLS_TTL_S
            if self._pending and not stale:
                continue  # a server that a tool blocks cannot answer a ping; calls have their own timeout
            try:
                async with asyncio.timeout(self.spec.handshake_s):
                    await (self._list(session) if stale else session.send_ping())
            except TimeoutError:
                if not self._pending:
                    raise
                self._listed_at = float("-inf") if stale else self._listed_at  # blocked by a call: list later

    async def _list(self, session: ClientSession) -> None:
        self._listed_at = time.monotonic()
        found = await listing.listed(self.spec.name, session)
        if found.refused and found.refused != self._refused:
            reasons = {tool.name[:80]: tool.problem for tool in found.refused}
            logger.warning("tools.refused", server=self.spec.name, refused=reasons)
        self.tools, self._bound, self._refused = found.tools, found.bound, found.refused
        self.connected = True
