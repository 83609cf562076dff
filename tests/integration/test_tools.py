"""Tool servers over their real transports: they start, serve and end, however badly timed."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import psutil
import pytest

from aiops.tool_servers.client import probe
from aiops.tool_servers.client.errors import ServerDown
from aiops.tool_servers.client.pool import Catalogue, Missing, ToolPool
from aiops.tool_servers.client.values import CallLimits, Health, Protocol, ServerSpec
from tests.acceptance.system import eventually
from tests.ports import free_port

COUNTING = Path(__file__).parents[1] / "acceptance" / "counting_server.py"
HOST = ServerSpec("host", command=sys.executable, args=("-m", "aiops.tool_servers.host"))
MOMENTS_S = [0.0, 0.2, 0.4, 0.7, 1.1]
"""From before the child process exists until after the handshake."""


@pytest.mark.parametrize("after_s", MOMENTS_S)
async def test_servers_end_at_once_whatever_they_are_doing(after_s: float) -> None:
    absent = ServerSpec("absent", protocol=Protocol.HTTP, url=f"http://127.0.0.1:{free_port()}/mcp")
    pool = ToolPool([HOST, absent], limits=CallLimits(5, 5))
    pool.start()
    await asyncio.sleep(after_s)
    async with asyncio.timeout(5):
        await pool.stop()
    ours = [p.info for p in psutil.process_iter(["ppid", "cmdline"]) if p.info["ppid"] == os.getpid()]
    assert [p for p in ours if "aiops.tool_servers.host" in (p["cmdline"] or ())] == []
    assert not any(task.get_name().startswith("tools:") for task in asyncio.all_tasks())


async def test_a_tool_that_blocks_its_server_is_not_cut_off_by_the_ping(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aiops.tool_servers.client.server.PING_S", 0.1)
    spec = ServerSpec("counting", command=sys.executable, args=(str(COUNTING),), env=(("MARKS", str(tmp_path / "m")),))
    pool = ToolPool([spec], limits=CallLimits(10, 10))
    pool.start()
    tools = {tool.remote_name: tool for tool in (await pool.catalogue()).tools}
    pool.servers["counting"].spec = replace(spec, handshake_s=0.3)
    assert (await pool.call(tools["look"], {"key": "k", "seconds": 2})).text == "seen k"
    await pool.stop()


async def test_a_tool_call_fails_at_once_when_its_session_ends(tmp_path: Path) -> None:
    spec = ServerSpec("counting", command=sys.executable, args=(str(COUNTING),), env=(("MARKS", str(tmp_path / "m")),))
    pool = ToolPool([spec], limits=CallLimits(20, 20))
    pool.start()
    tools = {tool.remote_name: tool for tool in (await pool.catalogue()).tools}
    call = asyncio.create_task(pool.call(tools["change"], {"key": "k", "seconds": 15}))
    while not (tmp_path / "m").exists():
        await asyncio.sleep(0.05)
    pool.servers["counting"]._lose(ConnectionError("no pong"))
    with pytest.raises(ServerDown, match="was lost during the call"):
        await asyncio.wait_for(call, 8)
    assert await pool.servers["counting"].wait_connected(10)
    await pool.stop()


def counting(tmp_path: Path, name: str = "counting", **fields: object) -> ServerSpec:
    env = (("MARKS", str(tmp_path / "m")),)
    return ServerSpec(name, command=sys.executable, args=(str(COUNTING),), env=env, **fields)  # type: ignore[arg-type]


async def test_a_pool_takes_on_lets_go_and_keeps_the_sessions_that_did_not_change(tmp_path: Path) -> None:
    kept, gone = counting(tmp_path, "kept"), counting(tmp_path, "gone")
    pool = ToolPool([kept, gone], limits=CallLimits(10, 10))
    pool.start()
    await pool.catalogue()
    session = pool.servers["kept"]
    resting = replace(gone, name="resting", absent="it is in maintenance", required=True)
    pool.update([kept, counting(tmp_path, "new"), resting])
    catalogue = await pool.catalogue()
    assert {tool.server for tool in catalogue.tools} == {"kept", "new"}
    assert catalogue.missing == (Missing("resting", "it is in maintenance", required=True),)
    assert pool.servers["kept"] is session
    assert session.connected
    with pytest.raises(ServerDown):
        await pool.call(replace(catalogue.tools[0], server="gone"), {})
    await pool.stop()


CHANGING = """
import sys
from pathlib import Path
from mcp.server.fastmcp import FastMCP
server = FastMCP("changing", log_level="ERROR")
@server.tool()
def more() -> str:
    return "more"
@server._mcp_server.list_tools()
async def listed():
    tools = await server.list_tools()
    return tools if Path(sys.argv[1]).exists() else []
server.run()
"""


async def test_tools_are_listed_again_on_request_and_when_the_list_is_old(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flag = tmp_path / "more"
    spec = ServerSpec("changing", command=sys.executable, args=("-c", CHANGING, str(flag)))
    pool = ToolPool([spec], limits=CallLimits(10, 10))
    pool.start()

    async def has(*names: str) -> None:
        async with asyncio.timeout(10):
            while set(pool.servers["changing"].tools) != set(names) or not pool.servers["changing"]._settled.is_set():
                await asyncio.sleep(0.02)

    await has()
    flag.touch()
    pool.update([spec])
    await has("more")
    flag.unlink()
    monkeypatch.setattr("aiops.tool_servers.client.server.TOOLS_TTL_S", 0.0)
    monkeypatch.setattr("aiops.tool_servers.client.server.PING_S", 0.05)
    pool.servers["changing"]._woken.set()
    await has()
    await pool.stop()


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Callable[[str], str]]:
    """Starts a server of tools over HTTP; returns its address."""
    started: list[subprocess.Popen[bytes]] = []

    def start(transport: str) -> str:
        port = free_port()
        code = (
            "from mcp.server.fastmcp import FastMCP; from starlette.responses import PlainTextResponse\n"
            f"server = FastMCP('web', port={port}, log_level='ERROR')\n"
            "@server.tool()\ndef hello() -> str:\n    return 'hello there'\n"
            "@server.custom_route('/health', methods=['GET'])\n"
            "async def health(request):\n    return PlainTextResponse('x', status_code=200)\n"
            f"server.run('{transport}')"
        )
        started.append(subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL))
        eventually(lambda: _answers(port), within_s=20, what="the server of tools")
        return f"http://127.0.0.1:{port}"

    yield start
    for process in started:
        process.terminate()
        process.wait(timeout=10)


def _answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/health", timeout=1).is_success
    except httpx.HTTPError:
        return False


@pytest.mark.parametrize(
    ("transport", "protocol", "path"), [("streamable-http", Protocol.HTTP, "/mcp"), ("sse", Protocol.SSE, "/sse")]
)
async def test_tools_are_called_and_health_is_seen_over_both_kinds_of_http(
    served: Callable[[str], str], transport: str, protocol: Protocol, path: str
) -> None:
    base = served(transport)
    spec = ServerSpec("web", protocol=protocol, url=base + path)
    pool = ToolPool([spec], limits=CallLimits(10, 10))
    pool.start()
    catalogue = await pool.catalogue()
    assert [tool.name for tool in catalogue.tools] == ["web_hello"], catalogue.missing
    assert (await pool.call(catalogue.tools[0], {})).text == "hello there"
    await pool.stop()
    wrong = replace(spec, url=base + "/nowhere")
    external = replace(spec, external=True)
    by_path, wrong_path = replace(spec, health_url=base + "/health"), replace(spec, health_url=base + "/sick")
    shaken, lost, refused, got, sick = await probe.check_async([spec, wrong, external, by_path, wrong_path])
    assert (shaken.problem, [tool.name for tool in shaken.tools or ()]) == ("", ["hello"])
    assert "404" in lost.problem
    assert "not public" in refused.problem
    assert got == shaken, "its tools are listed, too"
    assert "404" in sick.problem


async def test_a_server_that_says_nothing_is_given_up_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/mcp"
        spec = ServerSpec("silent", protocol=Protocol.HTTP, url=url, handshake_s=0.3)
        async with asyncio.timeout(5):
            assert await probe.check_async([spec]) == [Health("It did not answer within 0.3 s.")]


async def test_a_frozen_server_over_http_holds_up_neither_its_end_nor_the_others(
    served: Callable[[str], str], tmp_path: Path
) -> None:
    spec = ServerSpec("web", protocol=Protocol.HTTP, url=served("streamable-http") + "/mcp")
    pool = ToolPool([spec], limits=CallLimits(10, 10))
    pool.start()
    assert (await pool.catalogue()).tools
    (frozen,) = (p for p in psutil.Process().children() if "streamable-http" in " ".join(p.cmdline()))
    frozen.suspend()
    try:
        pool.update([counting(tmp_path, "other")])
        assert {tool.server for tool in (await pool.catalogue()).tools} == {"other"}
        async with asyncio.timeout(8):
            await pool.stop()
    finally:
        frozen.resume()


NOTHING = "from mcp.server.fastmcp import FastMCP; FastMCP('nothing', log_level='ERROR').run()"


async def test_a_server_that_offers_nothing_is_there_all_the_same() -> None:
    spec = ServerSpec("nothing", command=sys.executable, args=("-c", NOTHING), required=True)
    pool = ToolPool([spec], limits=CallLimits(10, 10))
    pool.start()
    assert await pool.catalogue() == Catalogue((), ())
    await pool.stop()


async def test_a_call_under_way_outlives_the_change_of_its_server(tmp_path: Path) -> None:
    pool = ToolPool([counting(tmp_path)], limits=CallLimits(20, 20))
    pool.start()
    tools = {tool.remote_name: tool for tool in (await pool.catalogue()).tools}
    call = asyncio.create_task(pool.call(tools["change"], {"key": "k", "seconds": 2}))
    while not (tmp_path / "m").exists():
        await asyncio.sleep(0.05)
    pool.update([replace(counting(tmp_path), absent="it is in maintenance")])
    assert (await pool.catalogue()).tools == ()
    assert (await call).text == "changed k"
    async with asyncio.timeout(8):
        await pool.stop()
    assert not any(task.get_name().startswith("tools:") for task in asyncio.all_tasks())
