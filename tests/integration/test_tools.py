"""Tool servers over their real transports: they start, serve and end, however badly timed."""

from __future__ import annotations

import asyncio
import os
import sys

import psutil
import pytest

from aiops.tools.pool import ToolPool
from aiops.tools.values import ServerSpec
from config.valkey import free_port

HOST = ServerSpec("host", command=sys.executable, args=("-m", "aiops.tools.host"))
MOMENTS_S = [n * 0.15 for n in range(8)]
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
