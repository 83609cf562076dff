"""Looks at tool servers with sessions of its own: health checks (a handshake, or a GET of the health path), and calls
that a person makes to try a tool.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine, Iterable
from dataclasses import replace
from typing import Any, TypeVar

from aiops import lookups
from aiops.tool_servers.client import http, listing, other_lists, transport
from aiops.tool_servers.client.output import Output
from aiops.tool_servers.client.values import Health, OtherLists, ServerSpec, Tried

MAX_AT_ONCE = 4
CLOSE_S = 3.0
MAX_NAME_CHARACTERS = 100
NO_TOOL = "The server offers no such tool now, or it cannot be used."
CHANGED = "Its server offers another definition by now: look at it, and accept it again."
Found = TypeVar("Found")


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
        first = _within(spec.handshake_s, _get(spec)) if spec.health_url else _handshake(spec, output)
        found = await first
        if spec.health_url and found == Health():  # the path decides about its health; its tools are listed, too
            listed = await _handshake(spec, output)
            found = listed if isinstance(listed, Health) else found
    if spec.personal:  # what is offered without a credential is not what people's sessions see
        found = Health() if isinstance(found, Health) and not found.problem else found
        found = Health() if isinstance(found, BaseException) and _asks(found) else found
    if isinstance(found, Health):
        return found
    return Health(transport.reason(found, output, within_s=spec.handshake_s), output=output.text)


async def _within(limit_s: float, doing: Coroutine[Any, Any, Found]) -> Found | BaseException:
    """Return the result, or the error: TimeoutError when it is not there in time."""
    task = asyncio.create_task(doing)
    for timeout_s in (limit_s, CLOSE_S, CLOSE_S):  # closing can hang, too, and is then cancelled again
        await asyncio.wait([task], timeout=timeout_s)
        if task.done():
            break
        task.cancel()
    if not task.done() or task.cancelled():
        return TimeoutError()
    return task.exception() or task.result()


async def call(spec: ServerSpec, tool: str, arguments: dict[str, Any], *, pin: str, call_s: float) -> Tried:
    """Call a tool once, if its definition is still the one with this pin."""
    if spec.absent:
        return Tried("error", 0.0, spec.absent)
    output, limit_s = transport.output_of(spec), spec.handshake_s + call_s
    found = await _within(limit_s, _call(spec, output, tool, arguments, pin, call_s))
    return found if isinstance(found, Tried) else Tried("error", 0.0, transport.reason(found, output, within_s=limit_s))


async def _call(
    spec: ServerSpec, output: Output, tool: str, arguments: dict[str, Any], pin: str, call_s: float
) -> Tried:
    async with transport.session(spec, output=output) as session:
        await session.initialize()
        found = (await listing.listed(spec.name, session)).tools.get(tool)
        if found is None:
            return Tried("error", 0.0, NO_TOOL)
        if found.pin != pin:
            return Tried("error", 0.0, CHANGED)
        begun = time.perf_counter()
        async with asyncio.timeout(call_s):
            result = await session.call(tool, arguments, on_progress=lambda _: None)
        ms = round((time.perf_counter() - begun) * 1e3, 1)
        return Tried("error" if result.failed else "ok", ms, result.text)


def _asks(error: BaseException) -> bool:
    """Return whether a server works, and only wants a credential: its health is checked without anybody's."""
    return transport.is_refused(transport.first_of(error))


async def _get(spec: ServerSpec) -> Health:
    async with http.client(spec) as client, client.stream("GET", spec.health_url) as answer:
        return Health("" if answer.is_success else f"Its health path answered {answer.status_code}.")


async def _handshake(spec: ServerSpec, output: Output) -> Health | BaseException:
    """Return what a server offers; prompts and resources have a time of their own, which is no part of its health."""
    return await _within(spec.handshake_s + other_lists.BOTH_S, _shake_hands(spec, output))


async def _shake_hands(spec: ServerSpec, output: Output) -> Health:
    async with (
        asyncio.timeout(spec.handshake_s) as opening,
        transport.session(spec, output=output) as session,
    ):
        server = await session.initialize()
        found = await listing.listed(spec.name, session)
        if opening.expired():  # its cancellation got lost on the way
            raise TimeoutError
        opening.reschedule(None)
        others = OtherLists() if spec.personal else await other_lists.listed(session, server.capabilities)
    refused = [replace(tool, name=tool.name[:MAX_NAME_CHARACTERS]) for tool in found.refused]
    return Health(tools=(*map(listing.as_offered, found.tools.values()), *refused), others=others)
