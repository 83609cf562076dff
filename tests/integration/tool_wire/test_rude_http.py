"""Servers over HTTP that cut their answers off, blow them up or send the client around: no call waits for nothing."""

from __future__ import annotations

import asyncio
import json
import resource
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from aiops.tool_servers.client import probe
from aiops.tool_servers.client.errors import ServerDown
from aiops.tool_servers.client.pool import ToolPool
from aiops.tool_servers.client.values import CallLimits, Protocol, ServerSpec, ToolResult
from tests.integration.tool_wire import wire_server
from tests.integration.tool_wire.cases import SEEN

LONG_S = 60.0
SOON_S = 20.0
"""Far less than a call may take here."""
BOMB = bytes.fromhex("28b52ffd0058") + bytes.fromhex("02001078") * 3_000 + bytes.fromhex("01 00 00")
"""Zstandard (RFC 8878): 3,000 blocks that each say 131,072 times x."""
CHANGING = [{"name": "first", "inputSchema": {"type": "object", "properties": {}}}]
NEWS = '{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"still busy"}}'
Rude = Callable[[Any, dict[str, Any]], bool]


@pytest.fixture
def http() -> Iterator[wire_server.WireServer]:
    with wire_server.serving() as server:
        server.said = {"result": SEEN}
        yield server


def spec(http: wire_server.WireServer, path: str = "/events") -> ServerSpec:
    return ServerSpec("w", protocol=Protocol.HTTP, url=http.url + path, handshake_s=LONG_S)


@pytest.fixture
async def pool(http: wire_server.WireServer) -> AsyncIterator[ToolPool]:
    made = ToolPool([spec(http)], limits=CallLimits(LONG_S, LONG_S))
    made.start()
    yield made
    await made.stop()


async def call(pool: ToolPool, name: str = "first") -> ToolResult:
    tools = {tool.remote_name: tool for tool in (await pool.catalogue()).tools}
    async with asyncio.timeout(SOON_S):
        return await pool.call(tools[name], {})


def cutting(calls: int, *, name: str = "first", begun: str = ": soon\n\n", kind: str = "text/event-stream") -> Rude:
    """Begin to answer so many calls of a tool, and close the connection."""
    left = [calls]

    def rude(door: Any, request: dict[str, Any]) -> bool:
        if request["method"] != "tools/call" or request["params"]["name"] != name or not left[0]:
            return False
        left[0] -= 1
        door._head(200, kind)
        door._write(begun)
        door.close_connection = True
        door.connection.shutdown(socket.SHUT_RDWR)
        return True

    return rude


async def test_a_reading_call_whose_answer_is_cut_off_is_made_again(pool: ToolPool, http: Any) -> None:
    http.rude = cutting(1)
    assert await call(pool) == ToolResult("eth0 is up")


@pytest.mark.parametrize(
    "begun",
    [{}, {"begun": "id: 7\ndata:\n\n"}, {"begun": '{"jsonrpc"', "kind": "application/json"}],
    ids=["events", "events that nobody can resume", "one message"],
)
async def test_a_changing_call_whose_answer_is_cut_off_fails_at_once(
    pool: ToolPool, http: Any, begun: dict[str, str]
) -> None:
    http.said = {"result": SEEN, "tools": CHANGING}
    http.rude = cutting(1, **begun)
    with pytest.raises(ServerDown, match="lost during the call"):
        await call(pool)
    assert len([one for one in http.requests if one["method"] == "tools/call"]) == 1


def page(door: Any, request: dict[str, Any]) -> bool:
    if request["method"] != "tools/call":
        return False
    door._head(200, "text/html")
    door._write("<h1>Sign in</h1>")
    door._end()
    return True


async def test_an_answer_that_is_a_page_fails_at_once_and_says_so(pool: ToolPool, http: Any) -> None:
    http.rude = page
    assert await call(pool) == ToolResult("The tool server answered with 'text/html', which is not MCP.", failed=True)


async def test_an_answer_that_is_cut_off_leaves_the_other_calls_alone(pool: ToolPool, http: Any) -> None:
    await pool.catalogue()
    session = pool.servers["w"]._session
    http.rude = cutting(2, name="first")
    http.said = {"by_tool": {"second": {"result": SEEN, "before": [NEWS] * 10}}, "pause": 0.1}
    with pytest.raises(ServerDown):
        await asyncio.gather(call(pool), other := asyncio.ensure_future(call(pool, "second")))
    assert await other == ToolResult("eth0 is up")
    assert pool.servers["w"]._session is session


def encoded(door: Any, request: dict[str, Any]) -> bool:
    if request["method"] != "tools/list":
        return False
    door.send_response(200)
    for name, value in (("Content-Type", "application/json"), ("Content-Encoding", "zstd")):
        door.send_header(name, value)
    door.send_header("Content-Length", str(len(BOMB)))
    door.end_headers()
    door.wfile.write(BOMB)
    return True


async def test_an_answer_that_grows_when_it_is_unpacked_is_not_unpacked(http: Any) -> None:
    http.rude = encoded
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    (seen,) = await probe.check_async([spec(http, "/json")])
    assert "It compresses its answers" in seen.problem
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # kB


def wandering(door: Any, request: dict[str, Any]) -> bool:
    if request["method"] != "tools/list":
        return False
    door.send_response(307)
    door.send_header("Location", "/json")
    door.send_header("Transfer-Encoding", "chunked")
    door.end_headers()
    until = time.monotonic() + LONG_S
    while time.monotonic() < until:
        door._write("x" * 1_000_000)
    return True


async def test_the_body_of_a_redirect_is_not_read(http: Any) -> None:
    http.rude = wandering
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    async with asyncio.timeout(SOON_S):
        (seen,) = await probe.check_async([ServerSpec("w", protocol=Protocol.HTTP, url=http.url + "/events")])
    assert seen.problem
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # kB


async def test_a_server_cannot_make_the_client_connect_without_a_pause(pool: ToolPool, http: Any) -> None:
    """Each stream that ends is opened again after the time that its server has named."""
    seen: list[float] = []

    def rude(door: Any, request: dict[str, Any]) -> bool:
        if request["method"] != "tools/call":
            return False
        door._head(200, "text/event-stream")
        door._write("retry: 0\nid: 1\ndata:\n\n")
        door._end()
        return True

    def get(door: Any) -> None:
        seen.append(time.monotonic())
        door._head(200, "text/event-stream")
        answer = {"jsonrpc": "2.0", "id": 0, "result": SEEN} if len(seen) == 3 else None
        door._write(f"retry: 0\nid: 1\ndata: {json.dumps(answer) if answer else ''}\n\n")
        door._end()

    http.rude, http.resumed = rude, get
    assert await call(pool) == ToolResult("eth0 is up")
    assert seen[2] - seen[0] > 1.5
