"""All tool servers of one worker process, and the catalogue of the tools that can be called now."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from aiops.tools.server import ServerDown, ToolServer
from aiops.tools.values import HANDSHAKE_S, RemoteTool, ServerSpec, ToolResult

RECONNECT_S = 5.0


@dataclass(frozen=True, slots=True)
class Missing:
    """A server whose tools cannot be called now, and why."""

    server: str
    reason: str
    required: bool = False


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The tools of the servers that answer, and why each other one is missing."""

    tools: tuple[RemoteTool, ...]
    missing: tuple[Missing, ...]

    def reading(self) -> Catalogue:
        """Return the catalogue without tools that can change something."""
        return Catalogue(tuple(tool for tool in self.tools if tool.read_only), self.missing)


class ToolPool:
    """Starts every server's owner task; one that is down costs the others nothing."""

    def __init__(self, specs: Iterable[ServerSpec], *, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._specs = tuple(specs)
        self._leaving: dict[asyncio.Task[None], ToolServer] = {}
        self.servers = {spec.name: self._server(spec) for spec in self._specs if not spec.absent}

    def start(self) -> None:
        """Connect to all servers in the background; needs a running loop."""
        for server in self.servers.values():
            server.start()

    async def stop(self) -> None:
        """Close all sessions."""
        await asyncio.gather(*(server.stop() for server in (*self.servers.values(), *self._leaving.values())))
        await asyncio.gather(*self._leaving)

    def update(self, specs: Iterable[ServerSpec], *, refresh: bool = True) -> None:
        """Use these servers from now on; what did not change keeps its session, and lists its tools anew if told to.

        Needs a running loop: calls of the others go on to their end in the background.
        """
        self._specs = tuple(specs)
        wanted = {spec.name: spec for spec in self._specs if not spec.absent}
        gone = [server for server in self.servers.values() if wanted.get(server.spec.name) != server.spec]
        for server in gone:
            del self.servers[server.spec.name]
            leaving = asyncio.create_task(server.retire())
            self._leaving[leaving] = server
            leaving.add_done_callback(self._leaving.pop)
        for name, spec in wanted.items():
            if name not in self.servers:
                self.servers[name] = self._server(spec)
                self.servers[name].start()
            elif refresh:
                self.servers[name].refresh()

    async def catalogue(self) -> Catalogue:
        """Return what can be called now; waits for servers that have not been tried yet."""
        specs: tuple[ServerSpec, ...] | None = None
        while specs is not self._specs:  # they may change while we wait
            specs, servers = self._specs, dict(self.servers)
            await asyncio.gather(*(server.settle(HANDSHAKE_S) for server in servers.values()))
        missing = []
        for spec in specs:
            server = servers.get(spec.name)
            if server is None or not server.connected:
                missing.append(Missing(spec.name, server.failure if server else spec.absent, spec.required))
        return Catalogue(
            tools=tuple(tool for server in servers.values() if server.connected for tool in server.tools.values()),
            missing=tuple(missing),
        )

    async def call(self, tool: RemoteTool, arguments: dict[str, Any]) -> ToolResult:
        """Call one tool; raises ServerDown or ToolTimeout. A reading call whose server was lost is made once more."""
        server = self.servers.get(tool.server)
        if server is None:
            raise ServerDown(f"There is no tool server {tool.server!r}.")
        try:
            return await server.call(tool.remote_name, arguments)
        except ServerDown:
            if not (tool.read_only and await server.back(RECONNECT_S)):
                raise
        return await server.call(tool.remote_name, arguments)

    def _server(self, spec: ServerSpec) -> ToolServer:
        return ToolServer(spec, timeout_s=self._timeout_s)
