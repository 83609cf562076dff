"""Every tool of the servers that others wrote answers, over every transport that they have."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from aiops.tool_servers.client import probe
from aiops.tool_servers.client.pool import ToolPool
from aiops.tool_servers.client.values import CallLimits, Progress, Protocol, ServerSpec
from tests.patience import Patience
from tests.ports import free_port
from tests.wire import node_servers, python_servers, tap
from tests.wire.values import Server

LONG_S = 60.0
PATHS = {Protocol.HTTP: ("streamableHttp", "/mcp"), Protocol.SSE: ("sse", "/sse")}
"""What server-everything is started with, and its address."""


class _Page(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = python_servers.PAGE.encode() if self.path == "/switches" else b""
        self.send_response(200 if body else 404)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def site() -> Iterator[str]:
    """The address of a web server with one page."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Page) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


@contextlib.asynccontextmanager
async def running(spec: ServerSpec) -> AsyncIterator[ToolPool]:
    pool = ToolPool([spec], limits=CallLimits(LONG_S, LONG_S))
    pool.start()
    try:
        yield pool
    finally:
        await pool.stop()


async def make_calls(spec: ServerSpec, server: Server) -> None:
    """Expect exactly the tools of the calls in the server's list, and each call's answer."""
    (health,) = await probe.check_async([spec])
    assert health.problem == ""
    offered = {tool.name: tool.problem for tool in health.tools or ()}
    refused = {name: problem for name, problem in offered.items() if problem}
    assert refused.keys() == server.refused.keys(), refused
    assert [name for name, why in server.refused.items() if why not in refused[name]] == []
    assert offered.keys() - refused.keys() == {call.tool for call in server.calls}
    wrong = []
    async with running(spec) as pool:
        catalogue = await pool.catalogue()
        assert not catalogue.missing, catalogue.missing
        tools = {tool.remote_name: tool for tool in catalogue.tools}
        for call in server.calls:
            progress: list[Progress] = []
            result = await pool.call(tools[call.tool], call.arguments, on_progress=progress.append)
            if not call.is_answered_by(result.text) or (result.failed, tuple(progress)) != (call.failed, call.progress):
                wrong.append((call.tool, call.arguments, result, progress))
    assert wrong == []
    assert tools.keys() == offered.keys() - refused.keys()


PREPARED: dict[str, Callable[[Path, str], Server]] = {
    "time": lambda folder, site: python_servers.time(),
    "git": lambda folder, site: python_servers.git(folder),
    "fetch": lambda folder, site: python_servers.fetch(site),
    "sqlite": lambda folder, site: python_servers.sqlite(folder),
    "everything": lambda folder, site: node_servers.everything(),
    "filesystem": lambda folder, site: node_servers.filesystem(folder),
    "memory": lambda folder, site: node_servers.memory(folder),
    "sequential-thinking": lambda folder, site: node_servers.thinking(),
}


@pytest.mark.parametrize("name", PREPARED)
async def test_every_tool_of_a_command_answers_and_gets_the_arguments_as_they_are(
    name: str, tmp_path: Path, site: str
) -> None:
    server, sent = PREPARED[name](tmp_path, site), tmp_path / "sent"
    command = (tap.__file__, str(sent), *server.command)
    spec = ServerSpec(name, command=sys.executable, args=command, env=server.env, handshake_s=LONG_S)
    await make_calls(spec, server)
    requests = [json.loads(line) for line in sent.read_bytes().splitlines()]
    calls = [one["params"] for one in requests if one.get("method") == "tools/call"]
    assert [(one["name"], one["arguments"]) for one in calls] == [(one.tool, one.arguments) for one in server.calls]


def is_open(port: int) -> bool:
    with socket.socket() as probing:
        return probing.connect_ex(("127.0.0.1", port)) == 0


@contextlib.asynccontextmanager
async def listening(server: Server, *arguments: str) -> AsyncIterator[str]:
    """Start a server at a port of its own; its address is returned when it accepts connections."""
    port, patience = free_port(), Patience(LONG_S)
    env = {"PATH": os.environ["PATH"], "PORT": str(port), **dict(server.env)}
    quiet = subprocess.DEVNULL
    with subprocess.Popen([*server.command, *arguments], env=env, stdout=quiet, stderr=quiet) as process:
        try:
            while not is_open(port):
                assert process.poll() is None
                assert not patience.is_over()
                await asyncio.sleep(0.05)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.kill()


@pytest.mark.parametrize("protocol", PATHS)
async def test_every_tool_of_a_server_answers_over_http(protocol: Protocol) -> None:
    server = node_servers.everything()
    argument, path = PATHS[protocol]
    async with listening(server, argument) as url:
        await make_calls(ServerSpec("everything", protocol=protocol, url=url + path, handshake_s=LONG_S), server)
