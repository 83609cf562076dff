"""Opens a session to a tool server over its protocol, and explains in one line why that failed."""

from __future__ import annotations

import contextlib
import os
import re
import sys
from collections.abc import AsyncIterator, Callable
from typing import Any, TypeGuard

import httpx
from mcp import McpError
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client
from mcp.types import (
    PromptListChangedNotification,
    ResourceListChangedNotification,
    ServerNotification,
    ToolListChangedNotification,
)

from aiops import certificates
from aiops.tool_servers.client import http, stdio
from aiops.tool_servers.client.messages import CUT_OFF
from aiops.tool_servers.client.output import Output
from aiops.tool_servers.client.session import Session, is_cut_off, is_forgotten
from aiops.tool_servers.client.values import OWN_PYTHON, CallLimits, Protocol, ServerSpec

INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "VIRTUAL_ENV", "SSL_CERT_FILE")
"""The only variables that a stdio server inherits besides its own ``env``."""
MAX_REASON_CHARACTERS = 300


@contextlib.asynccontextmanager
async def session(
    spec: ServerSpec,
    *,
    limits: CallLimits | None = None,
    output: Output | None = None,
    on_change: Callable[[], None] = lambda: None,
    on_other_change: Callable[[], None] = lambda: None,
) -> AsyncIterator[Session]:
    """Open a session that is not initialised yet; it must be closed by the task that opened it.

    ``limits`` are those of calls; None: no tool is called. ``output`` receives what a command writes besides messages.
    ``on_change`` is called when the server announces a change of its list of tools, ``on_other_change`` when it
    announces one of its prompts or resources.
    """

    async def handle(message: Any) -> None:
        if not isinstance(message, ServerNotification):
            return
        if isinstance(message.root, ToolListChangedNotification):
            on_change()
        elif isinstance(message.root, PromptListChangedNotification | ResourceListChangedNotification):
            on_other_change()

    async with contextlib.AsyncExitStack() as stack:
        if spec.protocol is Protocol.STDIO:
            opening: Any = stdio.connected(
                _command(spec), env=_environment(spec), output=output or Output(), cwd=spec.cwd
            )
        elif spec.protocol is Protocol.SSE:
            opening = sse_client(spec.url, httpx_client_factory=lambda *_, **__: http.client(spec, limits))
        else:
            http_client = await stack.enter_async_context(http.client(spec, limits))
            opening = streamable_http_client(spec.url, http_client=http_client)
        read, write, *_ = await stack.enter_async_context(opening)
        yield await stack.enter_async_context(Session(read, write, message_handler=handle))


def _command(spec: ServerSpec) -> list[str]:
    return [sys.executable if spec.command == OWN_PYTHON else spec.command, *spec.args]


def _environment(spec: ServerSpec) -> dict[str, str]:
    """Return the variables of a command; of our own environment it gets only the inherited ones."""
    return {**{name: os.environ[name] for name in INHERITED if name in os.environ}, **dict(spec.env)}


def output_of(spec: ServerSpec) -> Output:
    """Return where a server's output is kept, without the values of its variables."""
    return Output(secrets=tuple(value for _, value in spec.env))


def reason(error: BaseException, output: Output, *, within_s: float) -> str:
    """Return in one line why a session failed, without the query of a URL, which may contain a key.

    ``output`` is that of the server's command, ``within_s`` the time that the server had.
    """
    why = output.ending or _reason(error, within_s)
    said = f" Its output: {output.cause}" if output.cause else ""
    return re.sub(r"\?[^\s'\"]*", "?…", why + said)[:MAX_REASON_CHARACTERS]


def is_refused(error: BaseException) -> TypeGuard[httpx.HTTPStatusError]:
    """Return whether a server wants another credential, or one at all."""
    return isinstance(error, httpx.HTTPStatusError) and error.response.status_code in (401, 403)


def first_of(error: BaseException) -> BaseException:
    """Return the first error of a group, in whatever groups it is."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _reason(error: BaseException, within_s: float) -> str:
    error = first_of(error)
    if isinstance(error, TimeoutError | httpx.TimeoutException):
        return f"It did not answer within {within_s:g} s."
    if refused := certificates.problem(error):
        return f"No secure connection: {refused}"
    if is_refused(error):
        return (
            f"It answered {error.response.status_code}: it does not accept the credential that it gets, or wants one."
        )
    if isinstance(error, httpx.ConnectError):
        return f"It cannot be reached: {error}. See whether it runs, and its address."
    if isinstance(error, NotADirectoryError) and error.filename:
        return f"Its command cannot run in {str(error.filename)[:200]!r}: make that folder, or correct its rights."
    if isinstance(error, FileNotFoundError) and error.filename:
        return f"There is no command {str(error.filename)[:200]!r}: install or correct it."
    if isinstance(error, PermissionError) and error.filename:
        return f"The command {str(error.filename)[:200]!r} may not be run: see its permissions."
    if is_forgotten(error):
        return "It answered 404: there is no MCP at this address; see the URL and its endpoint."
    if is_cut_off(error):
        return CUT_OFF[1]
    if isinstance(error, McpError):
        return f"It answered: {error.error.message}"
    return f"{type(error).__name__}: {error}".strip(": ").splitlines()[0]
