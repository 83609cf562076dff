"""Sessions of single people with servers that get each person's own credential: opened on demand, closed when idle.

A session belongs to one person and one server, and has an owner task of its own; nobody else's calls reach it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field

from aiops.tool_servers.client.errors import ServerDown
from aiops.tool_servers.client.server import ToolServer
from aiops.tool_servers.client.values import CREDENTIALS_PAGE, HANDSHAKE_S, CallLimits, RemoteTool, ServerSpec

MAX_SESSIONS = 100
"""Of one process; as many more may be closing."""
IDLE_S = 300.0
"""A session without calls is closed after this time; the next call opens another."""
MAX_KNOWN = 5_000
"""Tools of one server that are remembered as noted."""
SWEEP_S = 1.0
"""Shortest pause between two looks for idle sessions."""
FULL = "this worker holds as many sessions of single people as it may, and all are in use: try again"
NOBODY = "it gets each person's own credential, and nobody's is known here"
ANOTHER = f"Enter another credential: {CREDENTIALS_PAGE}"

Key = tuple[str, str]
"""A person's id, and the name of a server."""
Read = Callable[[str], Awaitable[Mapping[str, ServerSpec]]]
"""Reads the servers that get a person's own credential, with that person's; ``absent`` says why there is none."""
Report = Callable[[str, tuple[RemoteTool, ...]], Awaitable[None]]
"""Takes note of tools of a server that no session has listed before: only people's sessions see them."""


async def none(user_id: str) -> Mapping[str, ServerSpec]:
    """Know nobody's credentials."""
    return {}


async def ignore(server: str, tools: tuple[RemoteTool, ...]) -> None:
    """Take no note of tools."""


@dataclass(slots=True)
class Held:
    """A session, how many calls use it, and since when none does."""

    server: ToolServer
    calls: int = 0
    idle_since: float = 0.0


@dataclass(frozen=True, slots=True)
class Own:
    """A person's sessions by server, and why others cannot be opened."""

    sessions: Mapping[str, ToolServer] = field(default_factory=dict)
    reasons: Mapping[str, str] = field(default_factory=dict)
    uncredentialed: frozenset[str] = frozenset()
    """Servers of ``reasons`` for which the person has to enter a credential."""


class PersonalSessions:
    """The sessions of one process; ``verify`` closes those whose credential is no longer that of the rows."""

    def __init__(self, *, limits: CallLimits, read: Read = none, report: Report = ignore) -> None:
        self._limits = limits
        self._read = read
        self._report = report
        self._held: dict[Key, Held] = {}
        self._leaving: dict[asyncio.Task[None], ToolServer] = {}
        self._sweeper: asyncio.Task[None] | None = None
        self._changes = 0
        self._known: dict[str, set[tuple[str, str]]] = {}

    @property
    def count(self) -> int:
        """How many sessions there are, with those that are being closed."""
        return len(self._held) + len(self._leaving)

    def of_server(self, name: str) -> list[ToolServer]:
        """Return all people's sessions with one server."""
        return [held.server for (_, server), held in self._held.items() if server == name]

    async def open(self, user_id: str, servers: Iterable[str]) -> Own:
        """Open a person's sessions with servers, and wait for the first attempt to connect of each."""
        specs = await self._specs(user_id)
        sessions, reasons, uncredentialed = {}, {}, set()
        for name in servers:
            spec = specs.get(name)
            if spec is None or spec.absent or not spec.credential:
                reasons[name] = (spec.absent if spec is not None else "") or NOBODY
                uncredentialed.add(name)
            elif (held := self._hold(user_id, spec)) is None:
                reasons[name] = FULL
            else:
                sessions[name] = held.server
        await asyncio.gather(*(session.wait_settled(HANDSHAKE_S) for session in sessions.values()))
        for name, session in sessions.items():
            if session.connected:
                await self._note(name, tuple(session.tools.values()))
            elif session.is_refused:
                reasons[name] = f"{session.failure} {ANOTHER}"
                uncredentialed.add(name)
        return Own(sessions, reasons, frozenset(uncredentialed))

    @contextlib.asynccontextmanager
    async def using(self, user_id: str, server: str) -> AsyncIterator[ToolServer]:
        """Yield a person's session with a server, opened if it was closed meanwhile; raises ServerDown."""
        if (user_id, server) not in self._held:
            own = await self.open(user_id, [server])
            if server not in own.sessions:
                raise ServerDown(f"The tool server {server!r} cannot be used: {own.reasons[server]}.")
        if (held := self._held.get((user_id, server))) is None:
            raise ServerDown(f"The tool server {server!r} was changed meanwhile.")
        held.calls += 1
        try:
            yield held.server
        finally:
            held.calls -= 1
            held.idle_since = asyncio.get_running_loop().time()

    async def verify(self, user_id: str = "") -> None:
        """Close sessions whose server or credential is no longer as it was; of one person, or of all.

        Calls under way end first.
        """
        self._changes += 1
        for one in {user_id} if user_id else {user for user, _ in self._held}:
            if not any(user == one for user, _ in self._held):
                continue
            specs = await self._read(one)
            for key in [key for key in self._held if key[0] == one]:
                if specs.get(key[1]) != self._held[key].server.spec:
                    self._retire(key)

    async def stop(self) -> None:
        """Close all sessions."""
        if self._sweeper is not None:
            self._sweeper.cancel()
            await asyncio.wait([self._sweeper])
        ending = [held.server for held in self._held.values()] + list(self._leaving.values())
        self._held.clear()
        await asyncio.gather(*(server.stop() for server in ending))
        await asyncio.gather(*self._leaving)

    async def _specs(self, user_id: str) -> Mapping[str, ServerSpec]:
        """Read a person's servers; again, if credentials have changed while they were read."""
        seen = -1
        specs: Mapping[str, ServerSpec] = {}
        while user_id and seen != self._changes:
            seen, specs = self._changes, await self._read(user_id)
        return specs

    def _hold(self, user_id: str, spec: ServerSpec) -> Held | None:
        """Return the session for this very spec; None when there is no room."""
        key, now = (user_id, spec.name), asyncio.get_running_loop().time()
        held = self._held.get(key)
        if held is not None and held.server.spec == spec:
            held.idle_since = now
            return held
        if held is not None:
            self._retire(key)
        if len(self._held) >= MAX_SESSIONS and not self._evict():
            return None
        held = self._held[key] = Held(ToolServer(spec, limits=self._limits), idle_since=now)
        held.server.start()
        if self._sweeper is None or self._sweeper.done():
            self._sweeper = asyncio.create_task(self._sweep(), name="tools:idle sessions")
        return held

    def _evict(self) -> bool:
        """Close the session that has been idle for longest; return whether there was one."""
        idle = [key for key, held in self._held.items() if not held.calls]
        if not idle or len(self._leaving) >= MAX_SESSIONS:
            return False
        self._retire(min(idle, key=lambda key: self._held[key].idle_since))
        return True

    def _retire(self, key: Key) -> None:
        server = self._held.pop(key).server
        leaving = asyncio.create_task(server.retire())
        self._leaving[leaving] = server
        leaving.add_done_callback(self._leaving.pop)

    async def _sweep(self) -> None:
        while self._held:
            now = asyncio.get_running_loop().time()
            for key in [k for k, held in self._held.items() if not held.calls and now - held.idle_since >= IDLE_S]:
                self._retire(key)
            next_s = min((held.idle_since + IDLE_S - now for held in self._held.values()), default=0.0)
            await asyncio.sleep(max(next_s, SWEEP_S))

    async def _note(self, server: str, tools: tuple[RemoteTool, ...]) -> None:
        """Report tools that no session of this process has listed before."""
        pins, known = {(tool.remote_name, tool.pin) for tool in tools}, self._known.get(server, set())
        if not pins <= known:
            await self._report(server, tools)
            self._known[server] = pins | (known if len(known) < MAX_KNOWN else set())
