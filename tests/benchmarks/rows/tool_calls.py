"""(g) What the pool adds to a tool call over a session that is held open, alone and among fifty."""

from __future__ import annotations

import asyncio
import os
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from functools import partial
from itertools import chain

from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamablehttp_client

from aiops.tool_servers.client.pool import ToolPool
from aiops.tool_servers.client.values import CallLimits, Protocol, ServerSpec
from tests.acceptance.system import eventually
from tests.benchmarks.checks import Check, Other, at_most_times
from tests.benchmarks.options import Options
from tests.benchmarks.stack import ROOT
from tests.ports import free_port

TITLE = "a tool call through the pool"
COMMAND = (sys.executable, "-m", "tests.benchmarks.tool_server")
ARGUMENTS = {"text": "hello"}
AT_ONCE = (1, 50)
ROUND = 25
"""Calls of one side before the other side has its turn; as many as are made at once when that is more."""
Call = Callable[[], Awaitable[object]]


def measure(options: Options) -> list[Check]:
    port = free_port()
    server = subprocess.Popen([*COMMAND, str(port)], cwd=ROOT, stderr=subprocess.DEVNULL)
    try:
        eventually(lambda: _listens(port), what="the tool server")
        return asyncio.run(_measure(port, rounds=options.some(20)))
    finally:
        server.terminate()
        server.wait(timeout=10)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


async def _measure(port: int, *, rounds: int) -> list[Check]:
    url = f"http://127.0.0.1:{port}/mcp"
    env = {"PYTHONPATH": str(ROOT), "PATH": os.environ.get("PATH", "")}
    stdio = ServerSpec("stdio", command=COMMAND[0], args=COMMAND[1:], env=tuple(env.items()))
    pool = ToolPool([ServerSpec("http", protocol=Protocol.HTTP, url=url), stdio], limits=CallLimits(30, 30))
    raw = {
        "http": streamablehttp_client(url),
        "stdio": stdio_client(StdioServerParameters(command=COMMAND[0], args=list(COMMAND[1:]), env=env)),
    }
    pool.start()
    try:
        tools = {tool.server: tool for tool in (await pool.catalogue()).tools}
        checks = []
        for name, opening in raw.items():
            async with opening as (reads, writes, *_), ClientSession(reads, writes) as session:
                await session.initialize()
                pooled: Call = partial(pool.call, tools[name], ARGUMENTS)
                held: Call = partial(session.call_tool, tools[name].remote_name, ARGUMENTS)
                for at_once in AT_ONCE:
                    checks.append(_check(name, at_once, *await _alternate(pooled, held, rounds, at_once)))
        return checks
    finally:
        await pool.stop()


def _check(name: str, at_once: int, pooled: float, held: float) -> Check:
    what = f"{'HTTP' if name == 'http' else name}, {at_once} at once, p50"
    return at_most_times(what, pooled, "ms", 1.3, Other("raw held session", held))


async def _alternate(pooled: Call, held: Call, rounds: int, at_once: int) -> tuple[float, float]:
    """Return the medians of both sides, milliseconds, called in turns so that the machine treats them alike."""
    took: tuple[list[float], list[float]] = ([], [])
    for number in range(rounds + 1):
        for call, seen in zip((pooled, held), took, strict=True):
            made = await asyncio.gather(*(_calls(call, max(1, ROUND // at_once)) for _ in range(at_once)))
            if number:  # the first round warms
                seen += chain.from_iterable(made)
    return statistics.median(took[0]), statistics.median(took[1])


async def _calls(call: Call, count: int) -> list[float]:
    took = []
    for _ in range(count):
        begun = time.perf_counter()
        await call()
        took.append((time.perf_counter() - begun) * 1e3)
    return took
