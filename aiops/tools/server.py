"""One MCP server: a single owner task opens its session, serves calls over it, reconnects and closes it."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any

import anyio
import httpx
import jsonschema_rs
from langchain_core.tools import BaseTool
from langchain_mcp_adapters.tools import load_mcp_tools
from mcp import ClientSession, McpError

from aiops import log
from aiops.tools import transport
from aiops.tools.values import ServerSpec

DIALECT = "https://json-schema.org/draft/2020-12/schema"
"""What MCP's schemas are written in: its specification of 2025-11-25."""
PING_S = 5.0
TOOLS_TTL_S = 300.0
"""How long a server's list of tools is believed."""
FIRST_BACKOFF_S = 0.2
MAX_BACKOFF_S = 15.0
MAX_TOOLS = 128
MAX_DESCRIPTION_CHARACTERS = 1_500
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


@dataclass(frozen=True, slots=True)
class RemoteTool:
    """One tool of one server, as plain values; ``name`` carries the server's name as prefix."""

    name: str
    server: str
    remote_name: str
    description: str
    schema: dict[str, Any] = field(hash=False)
    read_only: bool = False


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What a tool returned, as text."""

    text: str
    failed: bool = False


class ToolServer:
    """A server and its owner task; everything else asks through ``call``."""

    def __init__(self, spec: ServerSpec, *, timeout_s: float) -> None:
        self.spec = spec
        self.tools: dict[str, RemoteTool] = {}
        self.failure = "not connected yet"
        self._timeout_s = spec.call_s or timeout_s
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
        return bool(self._bound)

    def start(self) -> None:
        """Start the owner task on the running loop."""
        if self._owner is None:
            self._owner = asyncio.create_task(self._own(), name=f"tools:{self.spec.name}")

    async def stop(self) -> None:
        """Close the session and end the owner task."""
        self._ending = True
        if self._owner is not None:
            self._owner.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._owner

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
            raise ServerDown(f"The tool server {self.spec.name!r} is not connected: {self.failure}")
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
        self._bound = {}
        self._broken.set()
        self._woken.set()

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
                self._bound = {}
                self._broken.set()
                for pending in list(self._pending):
                    pending.cancel()
            self._settled.set()
            await asyncio.sleep(backoff_s)
            backoff_s = min(backoff_s * 2, MAX_BACKOFF_S)

    async def _serve(self) -> None:
        """Hold one session until it breaks."""
        async with transport.session(self.spec) as session:
            async with asyncio.timeout(self.spec.handshake_s):
                await session.initialize()
                await self._list(session)
            self._settled.set()
            logger.info("tools.up", server=self.spec.name, tools=len(self.tools))
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
        self.tools, self._bound = _catalogue(self.spec.name, await load_mcp_tools(session))


def _catalogue(server: str, loaded: list[BaseTool]) -> tuple[dict[str, RemoteTool], dict[str, BaseTool]]:
    """Return the usable tools: valid names and schemas, no duplicates, capped descriptions."""
    tools: dict[str, RemoteTool] = {}
    bound: dict[str, BaseTool] = {}
    for tool in loaded[:MAX_TOOLS]:
        name = f"{server}_{tool.name}"
        schema = tool.args_schema if isinstance(tool.args_schema, dict) else tool.get_input_jsonschema()
        if not _usable(name, schema) or tool.name in tools:
            logger.warning("tools.refused", server=server, tool=tool.name[:80])
            continue
        description = (tool.description or "")[:MAX_DESCRIPTION_CHARACTERS]
        read_only = bool((tool.metadata or {}).get("readOnlyHint"))
        tools[tool.name] = RemoteTool(name, server, tool.name, description, schema, read_only)
        bound[tool.name] = tool
    if len(loaded) > MAX_TOOLS:
        logger.warning("tools.too_many", server=server, offered=len(loaded), kept=MAX_TOOLS)
    return tools, bound


def _usable(name: str, schema: dict[str, Any]) -> bool:
    if len(name) > 64 or not name.replace("-", "").replace("_", "").isalnum() or not name.isascii():
        return False
    return bool(jsonschema_rs.meta.is_valid({**schema, "$schema": DIALECT}))


def _bounded(text: str) -> str:
    """Return the beginning of a result that is larger than anybody will be shown."""
    return text if len(text) <= MAX_RESULT_CHARACTERS else text[:MAX_RESULT_CHARACTERS] + "\n[cut]"
