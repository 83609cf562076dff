"""Health checks of tool servers: a handshake with a session of its own, or a GET of the health path."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import replace

from aiops import lookups
from aiops.tool_servers.client import http, listing, transport
from aiops.tool_servers.client.output import Output
from aiops.tool_servers.client.values import Health, Offered, ServerSpec

MAX_AT_ONCE = 4
CLOSE_S = 3.0
MAX_NAME_CHARACTERS = 100
MAX_DESCRIPTION_CHARACTERS = 300


def check(specs: Iterable[ServerSpec]) -> list[Health]:
    """Check servers from a thread without a loop; a name look-up that hangs does not outlast the call."""
    return lookups.run(check_async(specs))


async def check_async(specs: Iterable[ServerSpec]) -> list[Health]:
    """Check servers, a few at a time; return the results in the order of the servers."""
    places = asyncio.Semaphore(MAX_AT_ONCE)
    return await asyncio.gather(*(_check_one(spec, places) for spec in specs))


async def _check_one(spec: ServerSpec, places: asyncio.Semaphore) -> Health:
    if spec.absent:
        return Health(spec.absent)
    output = transport.output_of(spec)
    async with places:
        checking = asyncio.create_task(_get(spec) if spec.health_url else _shake_hands(spec, output))
        for timeout_s in (spec.handshake_s, CLOSE_S, CLOSE_S):  # closing can hang, too, and is then cancelled again
            await asyncio.wait([checking], timeout=timeout_s)
            if checking.done():
                break
            checking.cancel()
    if not checking.done() or checking.cancelled():
        error: BaseException | None = TimeoutError()
    else:
        error = checking.exception()
    if error is None:
        return checking.result()
    return Health(transport.reason(error, output, within_s=spec.handshake_s), output=output.text)


async def _get(spec: ServerSpec) -> Health:
    async with http.client(spec) as client, client.stream("GET", spec.health_url) as answer:
        return Health("" if answer.is_success else f"Its health path answered {answer.status_code}.")


async def _shake_hands(spec: ServerSpec, output: Output) -> Health:
    async with transport.session(spec, output=output) as session:
        await session.initialize()
        found = await listing.listed(spec.name, session)
    usable = [
        Offered(tool.remote_name, tool.description[:MAX_DESCRIPTION_CHARACTERS], tool.read_only)
        for tool in found.tools.values()
    ]
    refused = [replace(tool, name=tool.name[:MAX_NAME_CHARACTERS]) for tool in found.refused]
    return Health(tools=(*usable, *refused))
