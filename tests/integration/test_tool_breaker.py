"""A real tool server that stops answering: its calls fail at once, until one that is let through succeeds."""

from __future__ import annotations

import asyncio
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from aiops.tool_servers.client.breaker import FAILURES, GRACE_S
from aiops.tool_servers.client.errors import CircuitOpen, ServerDown, ToolTimeout
from aiops.tool_servers.client.pool import ToolPool
from aiops.tool_servers.client.values import CallLimits, Protocol, RemoteTool, ServerRules, ServerSpec
from tests.ports import free_port

COUNTING = Path(__file__).parents[1] / "acceptance" / "counting_server.py"
SILENT_S = 1.0
AT_ONCE_S = SILENT_S / 2


async def open_circuit(pool: ToolPool, tool: RemoteTool) -> None:
    for _ in range(FAILURES):
        with pytest.raises(ToolTimeout):
            await pool.call(tool, {"key": "k", "seconds": 3})


def checked(tool: RemoteTool) -> dict[str, ServerRules]:
    """The rules of the only server, after a health check that has just passed."""
    return {tool.server: ServerRules({}, accepts=True, passed_at=datetime.now(UTC))}


@pytest.fixture
def spec(tmp_path: Path) -> ServerSpec:
    env = (("MARKS", str(tmp_path / "m")),)
    return ServerSpec("counting", command=sys.executable, args=(str(COUNTING),), env=env)


async def test_a_server_that_hangs_costs_its_callers_no_more_time_until_it_answers_again(spec: ServerSpec) -> None:
    pool = ToolPool([spec], limits=CallLimits(SILENT_S, SILENT_S))
    pool.start()
    tools = {tool.remote_name: tool for tool in (await pool.catalogue()).tools}
    await open_circuit(pool, tools["look"])
    begun = time.monotonic()
    with pytest.raises(CircuitOpen, match="has not answered 3 calls in a row"):
        await pool.call(tools["look"], {"key": "k"})
    assert time.monotonic() - begun < AT_ONCE_S
    answered: Any = None
    async with asyncio.timeout(20):
        while answered is None:  # it works off the calls that were given up
            pool.update([spec], checked(tools["look"]))
            try:
                answered = await pool.call(tools["look"], {"key": "again"})
            except (ToolTimeout, CircuitOpen):
                await asyncio.sleep(0.05)
    assert answered.text == "seen again"
    assert not pool.servers["counting"].breaker.is_open
    await pool.stop()


async def test_calls_of_a_server_that_stays_away_stop_waiting_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aiops.tool_servers.client.breaker.GRACE_S", GRACE_S / 10)
    away = ServerSpec("away", protocol=Protocol.HTTP, url=f"http://127.0.0.1:{free_port()}/mcp")
    pool = ToolPool([away], limits=CallLimits(SILENT_S, SILENT_S))
    pool.start()
    assert not (await pool.catalogue()).tools
    tool = RemoteTool("away_look", "away", "look", "", {})
    async with asyncio.timeout(20):
        while True:
            begun = time.monotonic()
            with pytest.raises(ServerDown) as refused:
                await pool.call(tool, {})
            if isinstance(refused.value, CircuitOpen):
                break
    assert time.monotonic() - begun < AT_ONCE_S
    assert "is tried again at" in str(refused.value)
    await pool.stop()
