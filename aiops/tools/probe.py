"""Whether a tool server is well: one real handshake, or its health path, with a session of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from aiops.tools import transport
from aiops.tools.values import MAX_TOOLS, Health, Offered, ServerSpec

AT_ONCE = 4
CLOSE_S = 3.0
MAX_PAGES = 10
MAX_NAME_CHARACTERS = 100
MAX_DESCRIPTION_CHARACTERS = 300


async def look(specs: Iterable[ServerSpec]) -> list[Health]:
    """Look at servers, four at a time; the answers are in the order of the servers."""
    places = asyncio.Semaphore(AT_ONCE)

    async def one(spec: ServerSpec) -> Health:
        async with places:
            return await _look(spec)

    return await asyncio.gather(*(one(spec) for spec in specs))


async def _look(spec: ServerSpec) -> Health:
    if spec.absent:
        return Health(spec.absent)
    asking = asyncio.create_task(_get(spec) if spec.health_url else _shake_hands(spec))
    for patience_s in (spec.handshake_s, CLOSE_S, CLOSE_S):  # closing can hang, too, and is then cancelled again
        await asyncio.wait([asking], timeout=patience_s)
        if asking.done():
            break
        asking.cancel()
    if not asking.done() or asking.cancelled():
        return Health(f"It did not answer within {spec.handshake_s:g} s.")
    error = asking.exception()
    return asking.result() if error is None else Health(transport.reason(error))


async def _get(spec: ServerSpec) -> Health:
    async with transport.client(spec) as http, http.stream("GET", spec.health_url) as answer:
        return Health("" if answer.is_success else f"Its health path answered {answer.status_code}.")


async def _shake_hands(spec: ServerSpec) -> Health:
    offered: list[Offered] = []
    cursor: str | None = None
    async with transport.session(spec) as session:
        await session.initialize()
        for _ in range(MAX_PAGES):
            page = await session.list_tools(cursor)
            for tool in page.tools:
                hint = tool.annotations is not None and bool(tool.annotations.readOnlyHint)
                offered.append(
                    Offered(
                        tool.name[:MAX_NAME_CHARACTERS], (tool.description or "")[:MAX_DESCRIPTION_CHARACTERS], hint
                    )
                )
            cursor = page.nextCursor
            if not cursor or len(offered) >= MAX_TOOLS:
                break
    return Health(tools=tuple(offered[:MAX_TOOLS]))
