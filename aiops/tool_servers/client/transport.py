"""Opens a session to a tool server over its protocol, and explains in one line why that failed."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import sys
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
from mcp import ClientSession, McpError
from mcp.client.sse import sse_client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp.types import CallToolResult, ServerNotification, ToolListChangedNotification

from aiops import net
from aiops.tool_servers.client.values import OWN_PYTHON, Protocol, ServerSpec

INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "VIRTUAL_ENV")
"""The only variables that a stdio server inherits besides its own ``env``."""
SILENT_S = 300.0
"""Longest pause between two events of a server."""
UNKNOWN_SESSION = "Session terminated"
"""Message of the MCP SDK for any 404 (mcp 1.30)."""
CLOSE_S = 2.0
"""For the DELETE that ends a session: a frozen or very slow server must not block the close."""
SLACK_S = 5.0
"""A request ends this long after the timeout of its caller."""


@contextlib.asynccontextmanager
async def session(spec: ServerSpec, *, on_change: Callable[[], None] = lambda: None) -> AsyncIterator[ClientSession]:
    """Open a session that is not initialised yet; it must be closed by the task that opened it.

    ``on_change`` is called when the server announces a change of its list of tools.
    """

    async def handle(message: Any) -> None:
        if isinstance(message, ServerNotification) and isinstance(message.root, ToolListChangedNotification):
            on_change()

    async with contextlib.AsyncExitStack() as stack:
        if spec.protocol is Protocol.STDIO:
            opening: Any = stdio_client(_process(spec))
        elif spec.protocol is Protocol.SSE:
            opening = sse_client(spec.url, httpx_client_factory=lambda *_, **__: client(spec))
        else:
            http = await stack.enter_async_context(client(spec))
            opening = streamable_http_client(spec.url, http_client=http)
        read, write, *_ = await stack.enter_async_context(opening)
        yield await stack.enter_async_context(Session(read, write, message_handler=handle))


class Session(ClientSession):
    """An MCP session that returns results without validation."""

    async def _validate_tool_result(self, name: str, result: CallToolResult) -> None:
        """Do nothing: the SDK (mcp 1.30) would validate the result against the server's own schema, on the loop.

        A pattern in that schema can take years, and a result that does not fit is still the server's answer.
        """


def client(spec: ServerSpec) -> Client:
    """Return an HTTP client with the server's headers: no redirects; pinned public addresses for external servers."""
    return Client(
        post_s=max(spec.call_s or 0.0, spec.handshake_s) + SLACK_S,
        headers=dict(spec.headers),
        timeout=httpx.Timeout(spec.handshake_s, read=SILENT_S),
        follow_redirects=False,
        transport=Pinned() if spec.external else None,
    )


class Client(httpx.AsyncClient):
    """Limits the total time of every request, however slowly the server sends; only a GET may stream for ever."""

    def __init__(self, *, post_s: float, **options: Any) -> None:
        super().__init__(**options)
        self._post_s = post_s

    async def send(self, request: httpx.Request, **options: Any) -> httpx.Response:
        """Send a request; raises httpx.ReadTimeout when its total time is over."""
        total_s = {"GET": SILENT_S, "DELETE": CLOSE_S}.get(request.method, self._post_s)
        until = asyncio.get_running_loop().time() + total_s
        try:
            async with asyncio.timeout_at(until):
                response = await super().send(request, **options)
        except TimeoutError:
            if request.method == "POST":  # its caller has given up; an error would end the session
                return httpx.Response(httpx.codes.ACCEPTED, request=request)
            raise httpx.ReadTimeout(f"no answer within {total_s:g} s", request=request) from None
        if request.method != "GET" and isinstance(response.stream, httpx.AsyncByteStream):
            response.stream = _Until(response.stream, until)
        return response


class _Until(httpx.AsyncByteStream):
    """A response body with a deadline, in the loop's time."""

    def __init__(self, stream: httpx.AsyncByteStream, until: float) -> None:
        self._stream = stream
        self._until = until

    async def __aiter__(self) -> AsyncIterator[bytes]:
        parts = aiter(self._stream)
        while True:
            try:
                async with asyncio.timeout_at(self._until):
                    part = await anext(parts)
            except StopAsyncIteration:
                return
            except TimeoutError:
                raise httpx.ReadTimeout("the body did not end in time") from None
            yield part

    async def aclose(self) -> None:
        await self._stream.aclose()


class Pinned(httpx.AsyncHTTPTransport):
    """Resolves the name once per request, and connects to that address if it is public."""

    def __init__(self) -> None:
        super().__init__(verify=httpx.create_ssl_context(), trust_env=False)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request; raises BadAddress, OSError or httpx.HTTPError."""
        target = await net.resolve(str(request.url), allowed=(), cure="mark the tool server as internal if it is yours")
        pinned = httpx.Request(
            request.method,
            target.pinned_url,
            headers=request.headers,  # with the original Host
            stream=request.stream,
            extensions={**request.extensions, "sni_hostname": target.host},
        )
        return await super().handle_async_request(pinned)


def _process(spec: ServerSpec) -> StdioServerParameters:
    """Return the command of a stdio server; of our environment it gets only the inherited variables."""
    inherited = {name: os.environ[name] for name in INHERITED if name in os.environ}
    command = sys.executable if spec.command == OWN_PYTHON else spec.command
    return StdioServerParameters(command=command, args=list(spec.args), env={**inherited, **dict(spec.env)})


def reason(error: BaseException) -> str:
    """Return the innermost cause in one line, without the query of a URL, which may contain a key."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if isinstance(error, TimeoutError | httpx.TimeoutException):
        return "It did not answer in time."
    if isinstance(error, FileNotFoundError) and error.filename:
        return f"There is no command {str(error.filename)[:200]!r}: install or correct it."
    if isinstance(error, PermissionError) and error.filename:
        return f"The command {str(error.filename)[:200]!r} may not be run: see its permissions."
    if isinstance(error, McpError) and error.error.message == UNKNOWN_SESSION:
        return "It answered 404: there is no MCP at this address; see the URL and its endpoint."
    return re.sub(r"\?[^\s'\"]*", "?…", f"{type(error).__name__}: {error}".strip(": ").splitlines()[0])[:300]
