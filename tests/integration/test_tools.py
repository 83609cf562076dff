"""Tool servers over their real transports: they start, serve and end, however badly timed."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import psutil
import pytest

from aiops.tools.pool import ToolPool
from aiops.tools.server import ServerDown
from aiops.tools.values import ServerSpec
from config.valkey import free_port

COUNTING = Path(__file__).parents[1] / "acceptance" / "counting_server.py"
HOST = ServerSpec("host", command=sys.executable, args=("-m", "aiops.tools.host"))
MOMENTS_S = [0.0, 0.2, 0.4, 0.7, 1.1]
"""From before the child process exists until after the handshake."""


# mcp 1.30 leaves its memory streams open when it is cancelled between making them and starting the process
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("after_s", MOMENTS_S)
async def test_servers_end_at_once_whatever_they_are_doing(after_s: float) -> None:
    absent = ServerSpec("absent", url=f"http://127.0.0.1:{free_port()}/mcp")
    pool = ToolPool([HOST, absent], timeout_s=5)
    pool.start()
    await asyncio.sleep(after_s)
    async with asyncio.timeout(5):
        await pool.stop()
    ours = [p.info for p in psutil.process_iter(["ppid", "cmdline"]) if p.info["ppid"] == os.getpid()]
    assert [p for p in ours if "aiops.tools.host" in (p["cmdline"] or ())] == []
    assert not any(task.get_name().startswith("tools:") for task in asyncio.all_tasks())


async def test_a_tool_that_blocks_its_server_is_not_cut_off_by_the_ping(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aiops.tools.server.PING_S", 0.1)
    spec = ServerSpec("counting", command=sys.executable, args=(str(COUNTING),), env=(("MARKS", str(tmp_path / "m")),))
    pool = ToolPool([spec], timeout_s=10)
    pool.start()
    tools = {tool.remote_name: tool for tool in (await pool.catalogue()).tools}
    monkeypatch.setattr("aiops.tools.transport.HANDSHAKE_S", 0.3)
    assert (await pool.call(tools["look"], {"key": "k", "seconds": 2})).text == "seen k"
    await pool.stop()


async def test_a_call_is_told_at_once_when_its_session_ends(tmp_path: Path) -> None:
    spec = ServerSpec("counting", command=sys.executable, args=(str(COUNTING),), env=(("MARKS", str(tmp_path / "m")),))
    pool = ToolPool([spec], timeout_s=20)
    pool.start()
    tools = {tool.remote_name: tool for tool in (await pool.catalogue()).tools}
    call = asyncio.create_task(pool.call(tools["change"], {"key": "k", "seconds": 15}))
    while not (tmp_path / "m").exists():
        await asyncio.sleep(0.05)
    pool.servers["counting"]._broken.set()  # as a failed ping ends it
    with pytest.raises(ServerDown, match="was lost during the call"):
        await asyncio.wait_for(call, 8)
    await pool.stop()
