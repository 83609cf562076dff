"""One MCP server: a single owner task opens its session, keeps it alive, reconnects and closes it.

More than 250 lines: whatever may end a session, or a call that waits for it, is read in one place.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from mcp import McpError

from aiops import log
from aiops.tool_servers.client import listing, transport
from aiops.tool_servers.client.breaker import Breaker
from aiops.tool_servers.client.errors import BROKEN, ServerDown, ToolTimeout
from aiops.tool_servers.client.masking import Mask
from aiops.tool_servers.client.output import Output
from aiops.tool_servers.client.session import OnProgress, Session, is_cut_off, is_forgotten
from aiops.tool_servers.client.values import CallLimits, Offered, Progress, RemoteTool, ServerSpec, ToolResult

PING_S, PERSONAL_PING_S = 5.0, 30.0
"""The second: of sessions of single people, of which there can be many."""
TOOLS_TTL_S = 300.0
"""Lifetime of a server's list of tools."""
FIRST_BACKOFF_S, MAX_BACKOFF_S = 0.2, 15.0
STOP_S, STOP_TRIES = 3.0, 3
REFUSED_S = 120.0
"""Pause after a person's credential was refused: many refusals may lock their account."""
ALIVE_S = 2.0
"""For the sign of life of a server that has cut off an answer."""
Found = TypeVar("Found")
logger = log.get(__name__)


class ToolServer:
    """A server and its owner task; ``call`` is safe from any task of the loop."""

    def __init__(
        self, spec: ServerSpec, *, limits: CallLimits, on_other_change: Callable[[str], None] = lambda name: None
    ) -> None:
        """``on_other_change`` gets the name of a server whose prompts or resources have changed; it must not block."""
        self.spec = spec
        self._on_other_change = on_other_change
        self._others_changed = False
        self.tools: dict[str, RemoteTool] = {}
        self.failure = "not connected yet"
        self.breaker = Breaker(spec.name)
        self.is_refused = False
        self._mask = Mask(spec.credential)
        silent_s = spec.call_s or limits.silent_s
        self._limits = CallLimits(silent_s, max(limits.total_s, silent_s))
        self._session: Session | None = None
        self._refused: tuple[Offered, ...] = ()
        self._broken = asyncio.Event()
        self._woken = asyncio.Event()
        self._listed_at = float("-inf")
        self._settled = asyncio.Event()
        self._owner: asyncio.Task[None] | None = None
        self._ending = False
        self._pending: set[asyncio.Future[Any]] = set()

    def start(self) -> None:
        """Start the owner task on the running loop."""
        if self._owner is None:
            self._owner = asyncio.create_task(self._own(), name=f"tools:{self.spec.name}")

    async def stop(self) -> None:
        """Close the session and end the owner task; one that ignores STOP_TRIES cancellations is left alone."""
        self._ending = True
        self._fall()
        for _ in range(STOP_TRIES if self._owner is not None else 0):
            assert self._owner is not None
            self._owner.cancel()
            await asyncio.wait([self._owner], timeout=STOP_S)
            if self._owner.done():
                return

    async def retire(self) -> None:
        """Stop after the pending calls have ended, or their time is over."""
        if self._pending:
            await asyncio.wait(list(self._pending), timeout=self._limits.total_s)
        await self.stop()

    async def wait_settled(self, timeout_s: float) -> None:
        """Wait until the first attempt to connect has succeeded or failed."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._settled.wait(), timeout_s)

    def refresh(self) -> None:
        """List the tools again, soon."""
        self._outdate()
        self._woken.set()

    def _outdate(self) -> None:
        """List the tools again at the next ping: however often a server announces changes, not more often."""
        self._listed_at = float("-inf")

    def _note_other_change(self) -> None:
        """Report it at the next ping, for the same reason."""
        self._others_changed = True

    async def wait_connected(self, timeout_s: float) -> bool:
        """Wait until the server is connected; False when it is not in time."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                while not self.connected:
                    await asyncio.sleep(0.05)
        return self.connected

    @property
    def connected(self) -> bool:
        """Whether its tools can be called now."""
        return self._session is not None

    async def call(
        self, tool: RemoteTool, arguments: dict[str, Any], *, on_progress: OnProgress, key: str = ""
    ) -> ToolResult:
        """Call a tool; raises ServerDown or ToolTimeout. An error of the tool itself is returned as a failed result.

        With every sign of progress the time begins again, up to the total limit. ``on_progress`` must not block.
        """
        session = self._session
        if session is None:
            raise self.breaker.absence(self.failure)
        if not self._offers(tool):
            raise ServerDown(f"The tool server {self.spec.name!r} has no such tool {tool.remote_name!r} any more")
        with self.breaker.passing():
            return self._mask.result(await self._call(session, tool, arguments, on_progress, key))

    async def _call(
        self, session: Session, tool: RemoteTool, arguments: dict[str, Any], on_progress: OnProgress, key: str
    ) -> ToolResult:
        limits, loop = self._limits.of(tool), asyncio.get_running_loop()
        last = loop.time() + limits.total_s

        def extend(progress: Progress) -> None:
            if not limit.expired():
                limit.reschedule(min(loop.time() + limits.silent_s, last))
            on_progress(self._mask.progress(progress))

        try:
            async with asyncio.timeout(limits.silent_s) as limit:
                return await self._unless_lost(session.call(tool.remote_name, arguments, on_progress=extend, key=key))
        except TimeoutError as error:
            all_of_it = loop.time() >= last and limits.total_s > limits.silent_s
            within = f"within {limits.total_s:g} s in all" if all_of_it else f"within {limits.silent_s:g} s"
            raise ToolTimeout(f"The tool {tool.remote_name!r} did not answer {within}.") from error
        except (McpError, *BROKEN) as error:
            if not (is_cut_off(error) and await self._is_alive(session)):
                self._lose(error)
            why = f"The tool server {self.spec.name!r} was lost during the call."
            raise ServerDown(why, unmade=is_forgotten(error)) from error

    def _offers(self, tool: RemoteTool) -> bool:
        """Return whether the server lists this tool, as it was when it was given to a run."""
        listed = self.tools.get(tool.remote_name)
        return listed is not None and listed.pin == tool.pin

    async def _is_alive(self, session: Session) -> bool:
        """Return whether a session still works: a proxy may have ended one of its connections."""
        try:
            async with asyncio.timeout(ALIVE_S):
                await self._unless_lost(_ping(session))
        except (TimeoutError, McpError, *BROKEN):
            return False
        return True

    async def _unless_lost(self, call: Coroutine[Any, Any, Found]) -> Found:
        """Await a call; raises ConnectionError when the session ends before its answer."""
        pending = asyncio.ensure_future(call)
        self._pending.add(pending)
        try:
            return await pending
        except asyncio.CancelledError:
            task = asyncio.current_task()
            # _fall cancels pending calls; a cancellation of the caller's own task must go on.
            if not self._broken.is_set() or (task is not None and task.cancelling() > 0):
                raise
            raise ConnectionResetError("the session ended") from None
        finally:
            self._pending.discard(pending)
            pending.cancel()

    def _lose(self, error: Exception) -> None:
        self.failure = self._mask.text(f"{type(error).__name__}: {error}")[:300]
        self._fall()

    async def _own(self) -> None:
        backoff_s = FIRST_BACKOFF_S
        while not self._ending:  # a transport that is cancelled while it opens raises its own error instead
            output = transport.output_of(self.spec)
            try:
                self._broken.clear()
                await self._serve(output)
                backoff_s = FIRST_BACKOFF_S
            except (Exception, BaseExceptionGroup) as error:  # noqa: BLE001  reconnect after any error
                if self._ending:
                    return
                self.failure = self._mask.text(transport.reason(error, output, within_s=self.spec.handshake_s))
                self.is_refused = self.spec.personal and transport.is_refused(transport.first_of(error))
                backoff_s = REFUSED_S if self.is_refused else min(backoff_s, MAX_BACKOFF_S)
                self.breaker.not_connected(again_in_s=backoff_s)
                logger.warning("tools.down", server=self.spec.name, reason=self.failure, again_in_s=backoff_s)
            finally:
                self._fall()
            self._settled.set()
            await asyncio.sleep(backoff_s)
            backoff_s *= 2

    def _fall(self) -> None:
        """End the calls that wait for the session: it is closed or unusable."""
        self._session = None
        self._broken.set()
        self._woken.set()
        for pending in list(self._pending):
            pending.cancel()

    async def _serve(self, output: Output) -> None:
        """Hold one session until it breaks."""
        async with (
            asyncio.timeout(self.spec.handshake_s) as opening,
            transport.session(
                self.spec,
                limits=self._limits,
                output=output,
                on_change=self._outdate,
                on_other_change=self._note_other_change,
            ) as session,
        ):
            try:
                await session.initialize()
                await self._list(session)
                if opening.expired():  # its cancellation got lost on the way
                    raise TimeoutError
                opening.reschedule(None)
                self._settled.set()
                self.breaker.connected()
                logger.info("tools.up", server=self.spec.name, tools=len(self.tools))
                await self._hold(session)
            finally:
                self._fall()  # before the session closes, which can take long

    async def _hold(self, session: Session) -> None:
        while not self._broken.is_set():
            self._woken.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._woken.wait(), PERSONAL_PING_S if self.spec.personal else PING_S)
            if self._broken.is_set():
                continue
            if self._others_changed:
                self._others_changed = False
                self._on_other_change(self.spec.name)
            stale = time.monotonic() - self._listed_at > TOOLS_TTL_S
            if self._pending and not stale:
                continue  # a server that a tool blocks cannot answer a ping; calls have their own timeout
            try:
                async with asyncio.timeout(self.spec.handshake_s):
                    await (self._list(session) if stale else _ping(session))
            except TimeoutError:
                if not self._pending:
                    raise
                self._listed_at = float("-inf") if stale else self._listed_at  # blocked by a call: list later

    async def _list(self, session: Session) -> None:
        self._listed_at = time.monotonic()
        found = self._mask.listing(await listing.listed(self.spec.name, session))
        if found.refused and found.refused != self._refused:
            reasons = {tool.name[:80]: tool.problem for tool in found.refused}
            logger.warning("tools.refused", server=self.spec.name, refused=reasons)
        self.tools, self._refused = found.tools, found.refused
        self._session = session


async def _ping(session: Session) -> None:
    """Look for a sign of life; an error is one, such as that of a server that knows no ping."""
    try:
        await session.send_ping()
    except McpError as error:
        if session.has_ended or is_forgotten(error) or is_cut_off(error):
            raise
