"""One MCP server: a single owner task opens its session, serves calls over it, reconnects and closes it."""

from __future__ import annotations

import asyncio
import contextlib
import os
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import anyio
import httpx
from jsonschema import Draft202012Validator, SchemaError
from langchain_core.tools import BaseTool
from langchain_mcp_adapters.sessions import Connection, create_session
from langchain_mcp_adapters.tools import load_mcp_tools
from mcp import McpError

from aiops import log
from aiops.tools.values import ServerSpec

HANDSHAKE_S = 15.0
PING_S = 5.0
FIRST_BACKOFF_S = 0.2
MAX_BACKOFF_S = 15.0
MAX_TOOLS = 128
MAX_DESCRIPTION_CHARACTERS = 1_500
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
INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "VIRTUAL_ENV")
"""The only variables a stdio server gets from us besides its own ``env``."""

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
        self._timeout_s = timeout_s
        self._bound: dict[str, BaseTool] = {}
        self._broken = asyncio.Event()
        self._settled = asyncio.Event()
        self._owner: asyncio.Task[None] | None = None
        self._ending = False

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
                message = await tool.ainvoke(call)
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
        return ToolResult(message.text, failed=message.status == "error")

    def _lose(self, error: Exception) -> None:
        self.failure = f"{type(error).__name__}: {error}"[:300]
        self._bound = {}
        self._broken.set()

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
                self.failure = _reason(error)
                logger.warning("tools.down", server=self.spec.name, reason=self.failure, again_in_s=backoff_s)
            finally:
                self._bound = {}
            self._settled.set()
            await asyncio.sleep(backoff_s)
            backoff_s = min(backoff_s * 2, MAX_BACKOFF_S)

    async def _serve(self) -> None:
        """Hold one session until it breaks."""
        async with create_session(_connection(self.spec)) as session:
            async with asyncio.timeout(HANDSHAKE_S):
                await session.initialize()
                loaded = await load_mcp_tools(session)
            self.tools, self._bound = _catalogue(self.spec.name, loaded)
            self._settled.set()
            logger.info("tools.up", server=self.spec.name, tools=len(self.tools))
            while not self._broken.is_set():
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._broken.wait(), PING_S)
                    return
                async with asyncio.timeout(HANDSHAKE_S):
                    await session.send_ping()


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
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError:
        return False
    return True


def _connection(spec: ServerSpec) -> Connection:
    if spec.url:
        return {
            "transport": "streamable_http",
            "url": spec.url,
            "headers": dict(spec.headers),
            "timeout": timedelta(seconds=HANDSHAKE_S),
            "sse_read_timeout": timedelta(seconds=300),
        }
    inherited = {name: os.environ[name] for name in INHERITED if name in os.environ}
    return {
        "transport": "stdio",
        "command": spec.command,
        "args": list(spec.args),
        "env": {**inherited, **dict(spec.env)},
    }


def _reason(error: BaseException) -> str:
    """Return the innermost cause in one line."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return f"{type(error).__name__}: {error}".strip(": ")[:300]
