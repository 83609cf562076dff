"""All tool servers of one worker process, and the catalogue of the tools that can be called now."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from aiops.tools.server import RemoteTool, ServerDown, ToolResult, ToolServer
from aiops.tools.transport import HANDSHAKE_S
from aiops.tools.values import ServerSpec

RECONNECT_S = 5.0


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The tools of the servers that answer, and why each other one is missing."""

    tools: tuple[RemoteTool, ...]
    missing: tuple[tuple[str, str], ...]

    def reading(self) -> Catalogue:
        """Return the catalogue without tools that can change something."""
        return Catalogue(tuple(tool for tool in self.tools if tool.read_only), self.missing)

    def find(self, name: str) -> RemoteTool | None:
        """Return the tool of this prefixed name."""
        return next((tool for tool in self.tools if tool.name == name), None)


class ToolPool:
    """Starts every server's owner task; one that is down costs the others nothing."""

    def __init__(self, specs: Iterable[ServerSpec], *, timeout_s: float) -> None:
        self.servers = {spec.name: ToolServer(spec, timeout_s=timeout_s) for spec in specs}

    def start(self) -> None:
        """Connect to all servers in the background; needs a running loop."""
        for server in self.servers.values():
            server.start()

    async def stop(self) -> None:
        """Close all sessions."""
        await asyncio.gather(*(server.stop() for server in self.servers.values()))

    async def catalogue(self) -> Catalogue:
        """Return what can be called now; waits for servers that have not been tried yet."""
        await asyncio.gather(*(server.settle(HANDSHAKE_S) for server in self.servers.values()))
        up = [server for server in self.servers.values() if server.connected]
        down = [server for server in self.servers.values() if not server.connected]
        return Catalogue(
            tools=tuple(tool for server in up for tool in server.tools.values()),
            missing=tuple((server.spec.name, server.failure) for server in down),
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
