"""Commands that write without end, or leave somebody at their pipes: nobody waits for them, nothing stays open."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path

import pytest

from aiops.tool_servers.client.pool import ToolPool
from aiops.tool_servers.client.values import CallLimits, ServerSpec, ToolResult
from tests.integration.tool_wire import wire_server

LONG_S = 60.0
SERVER = Path(wire_server.__file__).read_text().partition('if __name__ == "__main__":')[0]
SERVE = """
SEEN = {"result": {"content": [{"type": "text", "text": "eth0 is up"}]}}
for line in sys.stdin:
    request = json.loads(line)
    for text in replies(request, SEEN):
        os.write(1, text.encode() + b"\\n")
    if request.get("method") == "tools/list":
        begin()
"""
FLOOD = """
import os
def begin():
    def write():
        while True:
            os.write(1, b"LINE\\n" * 20_000)
    threading.Thread(target=write, daemon=True).start()
"""
LEAVE = """
import os, subprocess
def begin():
    left = subprocess.Popen(["sleep", "60"], start_new_session=True)
    open(sys.argv[1], "w").write(str(left.pid))
"""


def program(begin: str, *arguments: str) -> ServerSpec:
    return ServerSpec(
        "code", command=sys.executable, args=("-c", SERVER + begin + SERVE, *arguments), handshake_s=LONG_S
    )


@pytest.fixture
async def opened() -> AsyncIterator[Callable[[ServerSpec], ToolPool]]:
    pools: list[ToolPool] = []

    def start(spec: ServerSpec) -> ToolPool:
        pools.append(ToolPool([spec], limits=CallLimits(LONG_S, LONG_S)))
        pools[-1].start()
        return pools[-1]

    yield start
    for pool in pools:
        await pool.stop()


async def longest_wait_s(during_s: float) -> float:
    """Return the longest time that the loop left a task alone that was ready."""
    end, longest = time.monotonic() + during_s, 0.0
    while time.monotonic() < end:
        begun = time.monotonic()
        await asyncio.sleep(0.005)
        longest = max(longest, time.monotonic() - begun)
    return longest


@pytest.mark.parametrize("line", ["y", '{"level":"info"}'])
async def test_a_command_that_writes_junk_without_end_holds_nobody_up(
    opened: Callable[[ServerSpec], ToolPool], line: str
) -> None:
    pool = opened(program(FLOOD.replace("LINE", line.replace('"', '\\"'))))
    first, *_ = (await pool.catalogue()).tools
    used_s = time.process_time()
    assert await longest_wait_s(2.0) < 0.25
    assert time.process_time() - used_s < 1.0, "it takes the processor from the others"
    begun = time.monotonic()
    await pool.stop()
    assert time.monotonic() - begun < 10
    assert first.server == "code"


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.parametrize("begin", [FLOOD.replace("LINE", "y"), LEAVE], ids=["a flood", "a process of its own"])
async def test_no_pipe_of_a_command_stays_open(
    opened: Callable[[ServerSpec], ToolPool], begin: str, tmp_path: Path
) -> None:
    left = tmp_path / "left"
    before = open_files()
    pool = opened(program(begin, str(left)))
    try:
        first, *_ = (await pool.catalogue()).tools
        if begin is LEAVE:
            assert await pool.call(first, {}) == ToolResult("eth0 is up")
        await pool.stop()
        assert open_files() <= before
    finally:
        with suppress(OSError):
            os.kill(int(left.read_text()), 9)
