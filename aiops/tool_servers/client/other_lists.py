"""Lists the prompts and resources of a server, for people to see: no model gets them, and no contents are read.

Others write these lists, too. What is wrong with one is reported, and neither the other list nor the tools suffer.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

from mcp import ClientSession, McpError, types
from pydantic import ValidationError

from aiops.tool_servers.client.errors import BROKEN
from aiops.tool_servers.client.values import OtherLists
from aiops.untrusted import plain

LIST_S = 3.0
"""Longest time of one list."""
BOTH_S = 2 * LIST_S
MAX_ENTRIES = 200
MAX_LIST_BYTES = 32_000
"""Of the entries of one list, as JSON: each health check writes them into a row."""
MAX_PAGES = 50
MAX_NAME_CHARACTERS = 128
MAX_URI_CHARACTERS = 500
MAX_TYPE_CHARACTERS = 100
MAX_TEXT_CHARACTERS = 300
MAX_REASON_CHARACTERS = 100
MAX_ARGUMENTS = 20
MAX_SIZE_BYTES = 1 << 53
"""Larger whole numbers are no longer exact in JavaScript."""
SHARE = 4
"""How many times as many characters of a text are looked at as are kept: images and escape sequences become shorter."""

Entry = dict[str, Any]


class _Page(types.PaginatedResult):
    """A page of unparsed entries: one that is malformed does not fail the others."""

    prompts: list[Any] = []
    resources: list[Any] = []


async def listed(session: ClientSession, capabilities: types.ServerCapabilities) -> OtherLists:
    """List the prompts and resources that a server says it has; errors of the session are part of the result."""
    prompts = resources = None
    problems = []
    if capabilities.prompts is not None:
        prompts, problem = await _list(session, "prompts", types.ListPromptsRequest, _prompt)
        problems.append(problem)
    if capabilities.resources is not None:
        resources, problem = await _list(session, "resources", types.ListResourcesRequest, _resource)
        problems.append(problem)
    return OtherLists(prompts, resources, " ".join(filter(None, problems)))


async def _list(
    session: ClientSession, kind: str, request: type[Any], read: Callable[[Any], Entry | None]
) -> tuple[tuple[Entry, ...] | None, str]:
    """Return a list, None when it cannot be read, and what is wrong with it."""
    try:
        async with asyncio.timeout(LIST_S):
            return await _pages(session, kind, request, read)
    except TimeoutError:
        return None, f"Its {kind} were not listed within {LIST_S:g} s."
    except McpError as error:
        return None, f"Its {kind} cannot be listed: {_line(error.error.message, MAX_REASON_CHARACTERS)}"
    except (ValidationError, *BROKEN) as error:
        return None, f"Its {kind} cannot be listed ({type(error).__name__})."


async def _pages(
    session: ClientSession, kind: str, request: type[Any], read: Callable[[Any], Entry | None]
) -> tuple[tuple[Entry, ...], str]:
    found: list[Entry] = []
    malformed = False
    bytes_left = MAX_LIST_BYTES
    cursor: str | None = None
    for _ in range(MAX_PAGES):
        params = types.PaginatedRequestParams(cursor=cursor) if cursor else None
        page = await session.send_request(types.ClientRequest(request(params=params)), _Page)
        for one in getattr(page, kind):
            entry = read(one)
            if entry is None:
                malformed = True
                continue
            bytes_left -= len(json.dumps(entry, ensure_ascii=False).encode())
            if len(found) == MAX_ENTRIES or bytes_left < 0:
                return tuple(found), f"It has more {kind} than are shown ({MAX_ENTRIES}, or {MAX_LIST_BYTES:,} bytes)."
            found.append(entry)
        if not page.nextCursor or page.nextCursor == cursor:
            break
        cursor = page.nextCursor
    else:
        return tuple(found), f"Its list of {kind} has more than {MAX_PAGES} pages."
    return tuple(found), f"Some of its {kind} are malformed, and left out." if malformed else ""


def _prompt(one: Any) -> Entry | None:
    """Return a prompt as people see it; None when it has no name."""
    if not isinstance(one, dict) or not (name := _line(one.get("name"), MAX_NAME_CHARACTERS)):
        return None
    given = one.get("arguments")
    return {
        "name": name,
        "title": _line(one.get("title"), MAX_NAME_CHARACTERS),
        "description": _text(one.get("description"), MAX_TEXT_CHARACTERS),
        "arguments": [
            {
                "name": argument,
                "description": _text(each.get("description"), MAX_TEXT_CHARACTERS),
                "required": each.get("required") is True,
            }
            for each in (given[:MAX_ARGUMENTS] if isinstance(given, list) else ())
            if isinstance(each, dict) and (argument := _line(each.get("name"), MAX_NAME_CHARACTERS))
        ],
    }


def _resource(one: Any) -> Entry | None:
    """Return a resource as people see it; None when it has no address."""
    if not isinstance(one, dict) or not (uri := _line(one.get("uri"), MAX_URI_CHARACTERS)):
        return None
    size = one.get("size")
    known = isinstance(size, int) and not isinstance(size, bool) and 0 <= size <= MAX_SIZE_BYTES
    return {
        "uri": uri,
        "name": _line(one.get("name"), MAX_NAME_CHARACTERS),
        "description": _text(one.get("description"), MAX_TEXT_CHARACTERS),
        "mime_type": _line(one.get("mimeType"), MAX_TYPE_CHARACTERS),
        "size": size if known else None,
    }


def _line(value: Any, most: int) -> str:
    return " ".join(_text(value, most).split())


def _text(value: Any, most: int) -> str:
    return plain(value[: SHARE * most])[:most] if isinstance(value, str) else ""
