"""(g) What the pool adds to a tool call over a session that is held open."""

from __future__ import annotations

import asyncio
import os
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable

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
ROUND = 25
"""Calls of one side before the other side has its turn."""
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
    pool.start()
    try:
        tools = {tool.server: tool for tool in (await pool.catalogue()).tools}
        arguments = {"text": "hello"}
        checks = []
        async with (
            streamablehttp_client(url) as (reads, writes, _),
            ClientSession(reads, writes) as session,
        ):
            await session.initialize()
            pooled, raw = await _alternate(
                lambda: pool.call(tools["http"], arguments), lambda: session.call_tool("repeat", arguments), rounds
            )
            checks.append(_check("HTTP", pooled, raw))
        async with (
            stdio_client(StdioServerParameters(command=COMMAND[0], args=list(COMMAND[1:]), env=env)) as (reads, writes),
            ClientSession(reads, writes) as session,
        ):
            await session.initialize()
            pooled, raw = await _alternate(
                lambda: pool.call(tools["stdio"], arguments), lambda: session.call_tool("repeat", arguments), rounds
            )
            checks.append(_check("stdio", pooled, raw))
        return checks
    finally:
        await pool.stop()


def _check(name: str, pooled: float, raw: float) -> Check:
    return at_most_times(f"{name}, p50", pooled, "ms", 1.3, Other("raw held session", raw))


async def _alternate(pooled: Call, raw: Call, rounds: int) -> tuple[float, float]:
    """Return the medians of both sides, milliseconds, called in turns so that the machine treats them alike."""
    took: tuple[list[float], list[float]] = ([], [])
    for number in range(rounds + 1):
        for call, seen in zip((pooled, raw), took, strict=True):
            for _ in range(ROUND):
                begun = time.perf_counter()
                await call()
                if number:  # the first round warms
                    seen.append((time.perf_counter() - begun) * 1e3)
    return statistics.median(took[0]), statistics.median(took[1])
