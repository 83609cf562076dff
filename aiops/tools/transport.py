"""The way to a tool server: opens a session over its protocol, and says in one line why it did not open."""

from __future__ import annotations

import contextlib
import os
import re
import sys
from collections.abc import AsyncIterator
from typing import Any

import anyio.to_thread
import httpx
from mcp import ClientSession, McpError
from mcp.client.sse import sse_client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client

from aiops import addresses
from aiops.tools.values import OWN_PYTHON, Protocol, ServerSpec

INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "VIRTUAL_ENV")
"""The only variables a stdio server gets from us besides its own ``env``."""
SILENT_S = 300.0
"""Longest pause between two events of a server."""
UNKNOWN_SESSION = "Session terminated"
"""How the MCP SDK calls any 404 (mcp 1.30)."""
CLOSE_S = 2.0
INTERNAL = "mark the tool server as internal if it is yours"


@contextlib.asynccontextmanager
async def session(spec: ServerSpec) -> AsyncIterator[ClientSession]:
    """Open a session that is not initialised yet; it must be closed by the task that opened it."""
    async with _streams(spec) as (read, write), ClientSession(read, write) as opened:
        yield opened


def client(spec: ServerSpec) -> httpx.AsyncClient:
    """Return an HTTP client with the server's headers; it follows nothing, and pins where an external server is."""
    return httpx.AsyncClient(
        headers=dict(spec.headers),
        timeout=httpx.Timeout(spec.handshake_s, read=SILENT_S),
        follow_redirects=False,
        transport=Pinned() if spec.external else None,
        event_hooks={"request": [_close_quickly]},
    )


async def _close_quickly(request: httpx.Request) -> None:
    """Wait for a goodbye no longer than it matters: a frozen server would hold up whoever closes its session."""
    if request.method == "DELETE":
        request.extensions = {**request.extensions, "timeout": httpx.Timeout(CLOSE_S).as_dict()}


class Pinned(httpx.AsyncHTTPTransport):
    """Looks a name up once for each request, and connects to what was found if that is public."""

    def __init__(self) -> None:
        super().__init__(verify=httpx.create_ssl_context(), trust_env=False)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request; raises BadAddress, OSError or httpx.HTTPError."""
        target = await anyio.to_thread.run_sync(_resolve, str(request.url))
        pinned = httpx.Request(
            request.method,
            target.pinned_url,
            headers=request.headers,  # with the Host that was asked for
            stream=request.stream,
            extensions={**request.extensions, "sni_hostname": target.host},
        )
        return await super().handle_async_request(pinned)


def _resolve(url: str) -> addresses.Target:
    return addresses.resolve(url, allowed=(), cure=INTERNAL)


@contextlib.asynccontextmanager
async def _streams(spec: ServerSpec) -> AsyncIterator[tuple[Any, Any]]:
    """Yield what a session reads from and writes to."""
    if spec.protocol is Protocol.STDIO:
        async with stdio_client(_process(spec)) as (read, write):
            yield read, write
    elif spec.protocol is Protocol.SSE:

        def factory(headers: Any = None, timeout: Any = None, auth: Any = None) -> httpx.AsyncClient:
            return client(spec)

        async with sse_client(spec.url, httpx_client_factory=factory) as (read, write):
            yield read, write
    else:
        async with client(spec) as http, streamable_http_client(spec.url, http_client=http) as (read, write, _):
            yield read, write


def _process(spec: ServerSpec) -> StdioServerParameters:
    """Return the command; it sees no variable of ours but the inherited ones."""
    inherited = {name: os.environ[name] for name in INHERITED if name in os.environ}
    command = sys.executable if spec.command == OWN_PYTHON else spec.command
    return StdioServerParameters(command=command, args=list(spec.args), env={**inherited, **dict(spec.env)})


def reason(error: BaseException) -> str:
    """Return the innermost cause in one line; the query of a URL, which may hold a key, is left out."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if isinstance(error, TimeoutError | httpx.TimeoutException):
        return "It did not answer in time."
    if isinstance(error, McpError) and error.error.message == UNKNOWN_SESSION:
        return "It answered 404: there is no MCP at this address; see the URL and its endpoint."
    return re.sub(r"\?[^\s'\"]*", "?…", f"{type(error).__name__}: {error}".strip(": ").splitlines()[0])[:300]
