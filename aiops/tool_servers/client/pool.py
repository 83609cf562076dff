"""The tool servers of one worker process, and the catalogue of the tools that can be called now."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from aiops.tool_servers.client.errors import CircuitOpen, ServerDown
from aiops.tool_servers.client.governing import Governed, Withheld, govern
from aiops.tool_servers.client.server import ToolServer
from aiops.tool_servers.client.session import OnProgress
from aiops.tool_servers.client.values import HANDSHAKE_S, CallLimits, RemoteTool, ServerRules, ServerSpec, ToolResult

RECONNECT_S = 5.0
"""Longest wait of a call for a server that reconnects."""


@dataclass(frozen=True, slots=True)
class Missing:
    """A server whose tools cannot be called now, with the reason."""

    server: str
    reason: str
    required: bool = False


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The tools of the connected servers, the missing servers, and the tools that must not be used."""

    tools: tuple[RemoteTool, ...]
    missing: tuple[Missing, ...]
    withheld: tuple[Withheld, ...] = ()

    def read_only(self) -> Catalogue:
        """Return the catalogue without tools that can change something."""
        return replace(self, tools=tuple(tool for tool in self.tools if tool.read_only))


class ToolPool:
    """Runs the owner task of every server; a server that is down does not affect the others."""

    def __init__(self, specs: Iterable[ServerSpec], *, limits: CallLimits) -> None:
        self._limits = limits
        self._specs = tuple(specs)
        self._rules: Mapping[str, ServerRules] = {}
        self._governed: tuple[tuple[RemoteTool, ...], Governed] = ((), Governed())
        self._passed: Mapping[str, datetime] = {}
        self._leaving: dict[asyncio.Task[None], ToolServer] = {}
        self.servers = {spec.name: ToolServer(spec, limits=limits) for spec in self._specs if not spec.absent}

    def start(self) -> None:
        """Connect to all servers in the background; needs a running loop."""
        for server in self.servers.values():
            server.start()

    async def stop(self) -> None:
        await asyncio.gather(*(server.stop() for server in (*self.servers.values(), *self._leaving.values())))
        await asyncio.gather(*self._leaving)

    def update(
        self, specs: Iterable[ServerSpec], rules: Mapping[str, ServerRules] | None = None, *, refresh: bool = True
    ) -> None:
        """Replace the servers and the rules of their tools, by server; a server without rules is used as it is.

        Unchanged servers keep their session, and list their tools again with ``refresh``.

        Needs a running loop: pending calls of the removed servers finish in the background.
        """
        self._specs = tuple(specs)
        if (rules or {}) != self._rules:  # otherwise runs go on with the same values, which compare fast
            self._rules, self._governed = rules or {}, ((), Governed())
        self._notice_checks(rules or {})
        wanted = {spec.name: spec for spec in self._specs if not spec.absent}
        gone = [server for server in self.servers.values() if wanted.get(server.spec.name) != server.spec]
        for server in gone:
            del self.servers[server.spec.name]
            leaving = asyncio.create_task(server.retire())
            self._leaving[leaving] = server
            leaving.add_done_callback(self._leaving.pop)
        for name, spec in wanted.items():
            if name not in self.servers:
                self.servers[name] = ToolServer(spec, limits=self._limits)
                self.servers[name].start()
            elif refresh:
                self.servers[name].refresh()

    def _notice_checks(self, rules: Mapping[str, ServerRules]) -> None:
        """Let the circuits of servers whose health check has passed since the last update try again."""
        passed = {name: rule.passed_at for name, rule in rules.items() if rule.passed_at is not None}
        for name, server in self.servers.items():
            if name in passed and passed[name] != self._passed.get(name):
                server.breaker.check_passed()
        self._passed = passed

    async def catalogue(self) -> Catalogue:
        """Return the tools that can be called now; waits for the first connection attempt of each server."""
        specs: tuple[ServerSpec, ...] | None = None
        while specs is not self._specs:  # they may change while we wait
            specs, servers = self._specs, dict(self.servers)
            await asyncio.gather(*(server.wait_settled(HANDSHAKE_S) for server in servers.values()))
        missing = []
        for spec in specs:
            server = servers.get(spec.name)
            if server is None or not server.connected:
                missing.append(Missing(spec.name, server.failure if server else spec.absent, spec.required))
        offers = (server.tools.values() for server in servers.values() if server.connected)
        offered = tuple(tool for offer in offers for tool in offer)
        if self._governed[0] != offered:
            self._governed = (offered, govern(offered, self._rules))
        governed = self._governed[1]
        return Catalogue(governed.tools, tuple(missing), governed.withheld)

    async def call(
        self, tool: RemoteTool, arguments: dict[str, Any], *, on_progress: OnProgress = lambda progress: None
    ) -> ToolResult:
        """Call one tool; raises ServerDown or ToolTimeout.

        A call that only reads, or has not begun, is repeated once if its server was lost.
        """
        server = self.servers.get(tool.server)
        if server is None:
            raise ServerDown(f"There is no tool server {tool.server!r}.")
        try:
            return await server.call(tool, arguments, on_progress=on_progress)
        except ServerDown as down:
            repeats = (tool.read_only or down.unmade) and not isinstance(down, CircuitOpen)
            if not (repeats and await server.wait_connected(RECONNECT_S)):
                raise
        return await server.call(tool, arguments, on_progress=on_progress)
