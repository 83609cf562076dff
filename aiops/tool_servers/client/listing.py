"""Lists the tools of a server, for health checks and for runs alike.

Others write a server's list. A tool that no model can be given is refused, with the reason, and the others stay
usable: each tool is converted here exactly as the model's request will convert it.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

from langchain_core.tools import BaseTool, StructuredTool, ToolException
from langchain_core.utils.function_calling import convert_to_openai_tool
from langchain_mcp_adapters.tools import convert_mcp_tool_to_langchain_tool
from mcp import ClientSession, types
from pydantic import ValidationError

from aiops.tool_servers.client import parameters
from aiops.tool_servers.client.parameters import UnusableTool
from aiops.tool_servers.client.values import MAX_TOOLS, Offered, RemoteTool, ToolResult

MAX_PAGES = MAX_TOOLS
"""Of one list: a server may name a next page for ever."""
MAX_SERVER_BYTES = 256_000
"""Of all schemas of one server together, as model requests contain them."""
MAX_NAME_CHARACTERS = 64
"""Limit of model providers, including the server's name."""
MAX_DESCRIPTION_CHARACTERS = 1_500
MAX_REFUSED = 100
"""Refused tools that are listed; the others are only left out."""
MAX_REASON_CHARACTERS = 200


@dataclass(frozen=True, slots=True)
class Listing:
    """A server's usable tools, how to call each over its session, and the refused tools."""

    tools: dict[str, RemoteTool]
    bound: dict[str, BaseTool]
    refused: tuple[Offered, ...]


class _Page(types.PaginatedResult):
    """A page of unparsed tools: the SDK's own result fails as a whole when one tool is malformed."""

    tools: list[Any] = []


async def listed(server: str, session: ClientSession) -> Listing:
    """List a server's tools, within the limits above; raises the errors of the session."""
    tools: dict[str, RemoteTool] = {}
    bound: dict[str, BaseTool] = {}
    refused: dict[str, Offered] = {}
    bytes_left = MAX_SERVER_BYTES
    for one in await _unparsed(session):
        try:
            theirs = _parsed(one)
            if theirs.name in tools:
                raise UnusableTool("its name appears twice")
            if len(tools) == MAX_TOOLS:
                raise UnusableTool(f"its server offers more than {MAX_TOOLS} tools")
            ours = _remote(server, theirs)
            if ours.size > bytes_left:
                raise UnusableTool(f"the schemas of its server have more than {MAX_SERVER_BYTES:,} bytes together")
        except UnusableTool as error:
            name = _name(one)
            if len(refused) < MAX_REFUSED:
                refused.setdefault(name, Offered(name, "", False, str(error)[:MAX_REASON_CHARACTERS]))
            continue
        bytes_left -= ours.size
        tools[theirs.name] = ours
        bound[theirs.name] = convert_mcp_tool_to_langchain_tool(session, theirs)
    return Listing(tools, bound, tuple(refused.values()))


def as_langchain(tool: RemoteTool, call: Callable[[RemoteTool, dict[str, Any]], Awaitable[ToolResult]]) -> BaseTool:
    """Return a tool in the form that agents bind."""

    async def invoke(**arguments: Any) -> str:
        result = await call(tool, arguments)
        if result.failed:
            raise ToolException(result.text)
        return result.text

    return StructuredTool(name=tool.name, description=tool.description, args_schema=tool.schema, coroutine=invoke)


async def _unparsed(session: ClientSession) -> list[Any]:
    found: list[Any] = []
    cursor: str | None = None
    for _ in range(MAX_PAGES):
        params = types.PaginatedRequestParams(cursor=cursor) if cursor else None
        request = types.ClientRequest(types.ListToolsRequest(params=params))
        page = await session.send_request(request, _Page)
        found += page.tools
        if not page.nextCursor or page.nextCursor == cursor or len(found) > MAX_TOOLS + MAX_REFUSED:
            break
        cursor = page.nextCursor
    return found


def _name(unparsed: Any) -> str:
    name = unparsed.get("name") if isinstance(unparsed, dict) else None
    return name[: parameters.MAX_BYTES] if isinstance(name, str) else ""


def _parsed(unparsed: Any) -> types.Tool:
    try:
        return types.Tool.model_validate(unparsed)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise UnusableTool(f"it is malformed: {where}: {first['msg']}") from None


def _remote(server: str, tool: types.Tool) -> RemoteTool:
    """Return a tool as models get it; raises UnusableTool."""
    name = f"{server}_{tool.name}"
    if not (name.isascii() and name.replace("-", "").replace("_", "").isalnum()):
        raise UnusableTool("its name has characters other than ASCII letters, digits, - and _")
    if len(name) > MAX_NAME_CHARACTERS:
        raise UnusableTool(f"its name has more than {MAX_NAME_CHARACTERS} characters together with its server's")
    remote = RemoteTool(
        name,
        server,
        tool.name,
        (tool.description or "")[:MAX_DESCRIPTION_CHARACTERS],
        parameters.inlined(tool.inputSchema),
        read_only=tool.annotations is not None and bool(tool.annotations.readOnlyHint),
    )
    try:
        request = convert_to_openai_tool(as_langchain(remote, _never))
    except Exception as error:  # the library raises many types for malformed schemas
        raise UnusableTool(f"it cannot be converted for a model ({type(error).__name__})") from error
    return replace(remote, size=len(json.dumps(request, ensure_ascii=False).encode(errors="replace")))


async def _never(tool: RemoteTool, arguments: dict[str, Any]) -> ToolResult:
    raise NotImplementedError
