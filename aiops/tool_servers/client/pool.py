"""The tool servers of one worker process, and the catalogue of the tools that can be called now."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from aiops.tool_servers.client.errors import CircuitOpen, ServerDown
from aiops.tool_servers.client.governing import Governed, Withheld, govern
from aiops.tool_servers.client.personal import Own, PersonalSessions
from aiops.tool_servers.client.server import ToolServer
from aiops.tool_servers.client.session import OnProgress
from aiops.tool_servers.client.values import HANDSHAKE_S, CallLimits, RemoteTool, ServerRules, ServerSpec, ToolResult

RECONNECT_S = 5.0
"""Longest wait of a call for a server that reconnects."""
DOWN, NO_CREDENTIAL = "tool_server_down", "tool_credential_missing"
"""Codes of notices: why a server is missing."""

Offers = tuple[RemoteTool, ...]


@dataclass(frozen=True, slots=True)
class Missing:
    """A server whose tools cannot be called now, with the reason."""

    server: str
    reason: str
    required: bool = False
    code: str = DOWN


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

    def __init__(
        self,
        specs: Iterable[ServerSpec],
        *,
        limits: CallLimits,
        personal: PersonalSessions | None = None,
        on_other_change: Callable[[str], None] = lambda name: None,
    ) -> None:
        self._limits = limits
        self._on_other_change = on_other_change
        self._specs = tuple(specs)
        self._rules: Mapping[str, ServerRules] = {}
        self._governed: dict[str, tuple[Offers, Governed]] = {}
        self._passed: Mapping[str, datetime] = {}
        self._leaving: dict[asyncio.Task[None], ToolServer] = {}
        self.personal = personal or PersonalSessions(limits=limits)
        self.servers = {name: self._server(spec) for name, spec in _shared(self._specs).items()}

    def start(self) -> None:
        """Connect to all servers in the background; needs a running loop."""
        for server in self.servers.values():
            server.start()

    async def stop(self) -> None:
        await asyncio.gather(*(server.stop() for server in (*self.servers.values(), *self._leaving.values())))
        await asyncio.gather(*self._leaving)
        await self.personal.stop()

    def update(
        self, specs: Iterable[ServerSpec], rules: Mapping[str, ServerRules] | None = None, *, refresh: bool = True
    ) -> None:
        """Replace the servers and the rules of their tools, by server; a server without rules is used as it is.

        Unchanged servers keep their session, and list their tools again with ``refresh``.

        Needs a running loop: pending calls of the removed servers finish in the background.
        """
        self._specs = tuple(specs)
        if (rules or {}) != self._rules:  # otherwise runs go on with the same values, which compare fast
            self._rules, self._governed = rules or {}, {}
        self._notice_checks(rules or {})
        wanted = _shared(self._specs)
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

    def _server(self, spec: ServerSpec) -> ToolServer:
        return ToolServer(spec, limits=self._limits, on_other_change=self._on_other_change)

    def _notice_checks(self, rules: Mapping[str, ServerRules]) -> None:
        """Let the circuits of servers whose health check has passed since the last update try again."""
        passed = {name: rule.passed_at for name, rule in rules.items() if rule.passed_at is not None}
        for name, at in passed.items():
            if at != self._passed.get(name):
                own = self.personal.of_server(name)
                for server in (*own, *(one for one in [self.servers.get(name)] if one is not None)):
                    server.breaker.check_passed()
        self._passed = passed

    async def catalogue(self, *, user_id: str = "") -> Catalogue:
        """Return the tools that a person's run can call now; waits for the first connection attempt of each server.

        Without a person, servers that get each person's own credential are missing.
        """
        specs: tuple[ServerSpec, ...] | None = None
        own = Own()
        while specs is not self._specs:  # they may change while we wait
            specs, servers = self._specs, dict(self.servers)
            await asyncio.gather(*(server.wait_settled(HANDSHAKE_S) for server in servers.values()))
            if personal := [spec.name for spec in specs if spec.personal and not spec.absent]:
                own = await self.personal.open(user_id, personal)
        servers |= own.sessions
        connected = {spec.name: servers[spec.name] for spec in specs if spec.name in servers}
        connected = {name: server for name, server in connected.items() if server.connected}
        governed = [self._govern(name, tuple(server.tools.values())) for name, server in connected.items()]
        return Catalogue(
            tuple(tool for one in governed for tool in one.tools),
            tuple(_missing(spec, servers.get(spec.name), own) for spec in specs if spec.name not in connected),
            tuple(tool for one in governed for tool in one.withheld),
        )

    def _govern(self, server: str, offered: Offers) -> Governed:
        """Return what the rules allow of a list; the same value as before for the same list, which compares fast."""
        known = self._governed.get(server)
        if known is None or known[0] != offered:
            known = self._governed[server] = (offered, govern(offered, self._rules))
        return known[1]

    async def call(
        self,
        tool: RemoteTool,
        arguments: dict[str, Any],
        *,
        user_id: str = "",
        on_progress: OnProgress = lambda progress: None,
        key: str = "",
    ) -> ToolResult:
        """Call one tool in the name of a person; raises ServerDown or ToolTimeout.

        ``key`` is the same for each repetition of one call; its server gets it.

        A call that only reads, or has not begun, is repeated once if its server was lost.
        """
        if any(spec.name == tool.server and spec.personal for spec in self._specs):
            async with self.personal.using(user_id, tool.server) as own:
                return await _call(own, tool, arguments, on_progress, key)
        server = self.servers.get(tool.server)
        if server is None:
            raise ServerDown(f"There is no tool server {tool.server!r}.")
        return await _call(server, tool, arguments, on_progress, key)


async def _call(
    server: ToolServer, tool: RemoteTool, arguments: dict[str, Any], on_progress: OnProgress, key: str
) -> ToolResult:
    try:
        return await server.call(tool, arguments, on_progress=on_progress, key=key)
    except ServerDown as down:
        repeats = (tool.read_only or down.unmade) and not isinstance(down, CircuitOpen)
        if not (repeats and await server.wait_connected(RECONNECT_S)):
            raise
    return await server.call(tool, arguments, on_progress=on_progress, key=key)


def _shared(specs: Iterable[ServerSpec]) -> dict[str, ServerSpec]:
    """Return the servers whose sessions all people share, by name."""
    return {spec.name: spec for spec in specs if not spec.absent and not spec.personal}


def _missing(spec: ServerSpec, server: ToolServer | None, own: Own) -> Missing:
    reason = spec.absent or own.reasons.get(spec.name) or (server.failure if server is not None else "")
    code = NO_CREDENTIAL if spec.name in own.uncredentialed and not spec.absent else DOWN
    return Missing(spec.name, reason, spec.required, code)
