"""Tool servers that are commands: each has pipes of its own, and what it writes there is shown where it failed."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import uuid
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from aiops.tool_servers.client import probe, stdio
from aiops.tool_servers.client.pool import ToolPool
from aiops.tool_servers.client.values import CallLimits, ServerSpec, ToolResult
from tests.acceptance.system import eventually
from tests.integration.tool_wire import wire_server
from tests.integration.tool_wire.cases import SEEN

WITHIN_S = 60.0
Made = Callable[..., ServerSpec]


@pytest.fixture
def command(tmp_path: Path) -> Made:
    """Makes a server that says what it is given."""

    def make(name: str = "cmd", *, env: dict[str, str] | None = None, **said: Any) -> ServerSpec:
        (tmp_path / name).write_text(json.dumps(said))
        args = (wire_server.__file__, str(tmp_path / name))
        pairs = tuple((env or {}).items())
        return ServerSpec(name, command=sys.executable, args=args, env=pairs, handshake_s=WITHIN_S)

    return make


def code(text: str, *arguments: str, **fields: Any) -> ServerSpec:
    """Return a server that is this Python program."""
    return ServerSpec("code", command=sys.executable, args=("-c", text, *arguments), **{"handshake_s": 20.0, **fields})


@pytest.fixture
async def opened() -> AsyncIterator[Callable[..., ToolPool]]:
    pools: list[ToolPool] = []

    def start(*specs: ServerSpec) -> ToolPool:
        pools.append(ToolPool(specs, limits=CallLimits(WITHIN_S, WITHIN_S)))
        pools[-1].start()
        return pools[-1]

    yield start
    for pool in pools:
        await pool.stop()


CRASH = """
import os, sys
print("loading plug-ins", file=sys.stderr)
print("token is", os.environ["TOKEN"], file=sys.stderr)
raise ValueError("no inventory at https://inventory.internal")
"""


async def test_why_a_command_failed_is_said_in_its_own_words(opened: Callable[..., ToolPool]) -> None:
    spec = code(CRASH, env=(("TOKEN", "canary-value-1"),))
    said = "Its command ended with exit code 1. Its output: ValueError: no inventory at https://inventory.internal"
    (seen,) = await probe.check_async([spec])
    assert seen.problem == said
    assert seen.output.startswith("loading plug-ins\ntoken is [hidden]\nTraceback")
    assert (await opened(spec).catalogue()).missing[0].reason == said


async def test_a_command_that_waits_is_reported_with_what_it_waits_for() -> None:
    text = "import sys, time; print('waiting for database db7', file=sys.stderr, flush=True); time.sleep(60)"
    (seen,) = await probe.check_async([code(text, handshake_s=2.0)])
    assert seen.problem == "It did not answer within 2 s. Its output: waiting for database db7"


async def test_the_end_of_much_output_is_kept() -> None:
    text = "import sys; sys.stderr.write('x' * 300_000 + '\\n'); sys.exit('the last line')"
    (seen,) = await probe.check_async([code(text)])
    assert len(seen.output) <= 8_000
    assert seen.output.endswith("the last line")


async def test_a_command_that_logs_on_its_standard_output_serves_all_the_same(
    command: Made, opened: Callable[..., ToolPool]
) -> None:
    noise = ["starting up", "", '{"level":"info","msg":"call"}', "[1,2]", "{half"]
    pool = opened(command(result=SEEN, before=noise, stderr="n" * 120_000))
    first, *_ = (await pool.catalogue()).tools
    for _ in range(3):
        async with asyncio.timeout(WITHIN_S):
            assert await pool.call(first, {}) == ToolResult("eth0 is up")


NOT_BLOCKING = """
import os
for descriptor in (0, 1, 2):
    os.set_blocking(descriptor, False)
os.set_blocking(0, True)
"""
"""What a Node server does to its pipes."""


async def test_a_server_that_changes_its_pipes_changes_nobody_elses(
    command: Made, opened: Callable[..., ToolPool], tmp_path: Path
) -> None:
    here = Path(wire_server.__file__).read_text().partition('if __name__ == "__main__":')
    program = here[0] + here[1] + "\n" + "\n".join(f"    {line}" for line in NOT_BLOCKING.splitlines()) + here[2]
    (tmp_path / "said").write_text(json.dumps({"result": SEEN}))
    rude = code(program, str(tmp_path / "said"))
    pool = opened(rude, command(result=SEEN, stderr="n" * 120_000))
    tools = (await pool.catalogue()).tools
    assert {tool.server for tool in tools} == {"code", "cmd"}
    assert os.get_blocking(2)
    for tool in tools:
        async with asyncio.timeout(WITHIN_S):
            assert await pool.call(tool, {}) == ToolResult("eth0 is up")


STUBBORN = """
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)", sys.argv[1]])
print("started", file=sys.stderr, flush=True)
while True:
    time.sleep(1)
"""


async def test_a_command_that_ignores_its_end_is_killed_with_what_it_started(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(stdio, "END_S", 0.3)
    ours = uuid.uuid4().hex
    (seen,) = await probe.check_async([code(STUBBORN, ours, handshake_s=3.0)])
    assert "started" in seen.problem

    def ended() -> bool:
        alive = psutil.process_iter(["cmdline", "status"])
        return not [p for p in alive if ours in (p.info["cmdline"] or ()) and p.info["status"] != psutil.STATUS_ZOMBIE]

    eventually(ended, what="the end of the command and of what it started")


async def test_a_command_gets_only_the_variables_that_it_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIOPS_SECRET_CANARY", "not for servers")
    text = "import os, sys; sys.exit(' '.join(sorted(os.environ)))"
    (seen,) = await probe.check_async([code(text, env=(("LEVEL", "3"),))])
    assert "AIOPS_SECRET_CANARY" not in seen.output
    assert "LEVEL" in seen.output.split()
    assert "PATH" in seen.output.split()
