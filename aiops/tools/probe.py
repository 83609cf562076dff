"""Whether a tool server is well: one real handshake, or its health path, with a session of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from aiops.tools import transport
from aiops.tools.values import Health, Offered, ServerSpec

AT_ONCE = 4
MAX_PAGES = 10
MAX_TOOLS = 128
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
    try:
        async with asyncio.timeout(spec.handshake_s):
            return await (_get(spec) if spec.health_url else _shake_hands(spec))
    except TimeoutError:
        return Health(f"It did not answer within {spec.handshake_s:g} s.")
    except (Exception, BaseExceptionGroup) as error:  # noqa: BLE001  whatever it raises, the server is not well
        return Health(transport.reason(error))


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
                offered.append(Offered(tool.name, (tool.description or "")[:MAX_DESCRIPTION_CHARACTERS], hint))
            cursor = page.nextCursor
            if not cursor or len(offered) >= MAX_TOOLS:
                break
    return Health(tools=tuple(offered[:MAX_TOOLS]))
