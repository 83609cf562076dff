"""Lists the tools of a server, for health checks and for runs alike.

Others write a server's list. A tool that no model can be given is refused, with the reason, and the others stay
usable: each tool is converted here exactly as the model's request will convert it.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, replace
from typing import Any

from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool
from langchain_mcp_adapters.sessions import StdioConnection
from langchain_mcp_adapters.tools import convert_mcp_tool_to_langchain_tool
from mcp import ClientSession, types
from pydantic import ValidationError

from aiops.tool_servers.client import definitions, parameters
from aiops.tool_servers.client.parameters import UnusableTool
from aiops.tool_servers.client.values import MAX_TOOLS, Offered, RemoteTool
from aiops.untrusted import plain

MAX_PAGES = MAX_TOOLS
"""Of one list: a server may name a next page for ever."""
MAX_SERVER_BYTES = 256_000
"""Of all schemas of one server together, as model requests contain them."""
MAX_NAME_CHARACTERS = 64
"""Limit of model providers, including the server's name."""
MAX_THEIR_CHARACTERS = 128
"""Of a tool's name in MCP (specification of 2025-11-25)."""
OTHER = re.compile("[^A-Za-z0-9_-]")
"""Characters that model providers do not take in a tool's name."""
HASH_CHARACTERS = 6
UNUSED = StdioConnection(transport="stdio", command="", args=[])
"""The adapter's tools want a connection for their calls; ours are called over the sessions of the pool."""
MAX_DESCRIPTION_CHARACTERS = 1_500
MAX_OFFERED_CHARACTERS = 300
"""Of a description that is shown in a list."""
MAX_SCHEMA_CHARACTERS = 2_000
MAX_REFUSED = 100
"""Refused tools that are listed; the others are only left out."""
MAX_REASON_CHARACTERS = 200


@dataclass(frozen=True, slots=True)
class Listing:
    """A server's usable tools by its own names, and the refused tools."""

    tools: dict[str, RemoteTool]
    refused: tuple[Offered, ...]


class _Page(types.PaginatedResult):
    """A page of unparsed tools: the SDK's own result fails as a whole when one tool is malformed."""

    tools: list[Any] = []


async def listed(server: str, session: ClientSession) -> Listing:
    """List a server's tools, within the limits above; raises the errors of the session."""
    tools: dict[str, RemoteTool] = {}
    names: set[str] = set()
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
            if ours.name in names:
                raise UnusableTool("its name is that of another one")
            if ours.size > bytes_left:
                raise UnusableTool(f"the schemas of its server have more than {MAX_SERVER_BYTES:,} bytes together")
        except UnusableTool as error:
            name = _name(one)
            if len(refused) < MAX_REFUSED:
                refused.setdefault(name, Offered(name, "", False, str(error)[:MAX_REASON_CHARACTERS]))
            continue
        bytes_left -= ours.size
        tools[theirs.name] = ours
        names.add(ours.name)
    return Listing(tools, tuple(refused.values()))


def as_langchain(tool: RemoteTool) -> BaseTool:
    """Return a tool in the form that agents bind; it is never run: the agent's ``ToolCall`` makes the calls."""
    described = types.Tool(name=tool.name, description=tool.description, inputSchema=tool.schema)
    return convert_mcp_tool_to_langchain_tool(None, described, connection=UNUSED)


def as_offered(tool: RemoteTool) -> Offered:
    """Return a usable tool as its row, and its server's list, show it."""
    return Offered(
        tool.remote_name,
        tool.description[:MAX_OFFERED_CHARACTERS],
        tool.read_only,
        parameters=tool.schema if len(json.dumps(tool.schema)) <= MAX_SCHEMA_CHARACTERS else None,
        tool_class=tool.tool_class,
        pin=tool.pin,
        definition=tool.definition,
    )


def name_for_models(server: str, name: str) -> str:
    """Return a tool's name as models get it: with its server's, in characters and of a length that providers take.

    A name that had to be changed ends with a hash, so that no two tools get the same.
    """
    whole = f"{server}_{name}"
    if len(whole) <= MAX_NAME_CHARACTERS and not OTHER.search(whole):
        return whole
    digest = hashlib.sha256(whole.encode(errors="replace")).hexdigest()[:HASH_CHARACTERS]
    return f"{OTHER.sub('_', whole)[: MAX_NAME_CHARACTERS - HASH_CHARACTERS - 1]}_{digest}"


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
    if not 1 <= len(tool.name) <= MAX_THEIR_CHARACTERS:
        raise UnusableTool(f"its name does not have 1 to {MAX_THEIR_CHARACTERS} characters")
    if tool.execution is not None and tool.execution.taskSupport == "required":
        raise UnusableTool("it can be called only as a task, which aiops does not do")
    schema = parameters.inlined(tool.inputSchema)
    definition = definitions.of(tool)
    remote = RemoteTool(
        name_for_models(server, tool.name),
        server,
        tool.name,
        plain(tool.description or "")[:MAX_DESCRIPTION_CHARACTERS],
        schema,
        tool_class=definitions.proposed_class(tool.annotations),
        pin=definitions.pin(definition),
        definition=definition,
    )
    try:
        request = convert_to_openai_tool(as_langchain(remote))
    except Exception as error:  # the library raises many types for malformed schemas
        raise UnusableTool(f"it cannot be converted for a model ({type(error).__name__})") from error
    return replace(remote, size=len(json.dumps(request, ensure_ascii=False).encode(errors="replace")))
