"""Handles messages on the control channel; installed features declare a handler for each."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

import redis
import redis.asyncio
from django.db import DatabaseError, InterfaceError

from aiops import cancellation, keyspace, log
from aiops.apps import features
from aiops.errors import RunFailed
from aiops.llm import snapshot
from aiops.llm.clients import Clients
from aiops.settings import Settings
from aiops.tool_servers import lifecycle, specs
from aiops.tool_servers.catalogue import rules
from aiops.tool_servers.client.listing import as_offered
from aiops.tool_servers.client.personal import PersonalSessions
from aiops.tool_servers.client.pool import ToolPool
from aiops.tool_servers.client.values import CallLimits, RemoteTool, ServerSpec
from aiops.tool_servers.credentials import noting, reading

REREAD_S = 60.0
"""Time between two reads of the tool servers' rows without a message: one may have been lost."""
RETRY_S = 2.0
"""Pause before the rows are read again after the database failed."""

logger = log.get(__name__)


class Control:
    """Subscribes to the control channel. While Redis is down, requests to stop arrive with the heartbeat."""

    def __init__(
        self,
        settings: Settings,
        clients: Clients,
        *,
        in_thread: Callable[..., Coroutine[Any, Any, Any]],
        stop_run: Callable[[str], None],
        slow_down: Callable[[str], None],
    ) -> None:
        limits = CallLimits(settings.tool_timeout_s, settings.tool_progress_s)
        personal = PersonalSessions(limits=limits, read=self._servers_of, report=self._note_tools)
        self.tools = ToolPool((), limits=limits, personal=personal, on_other_change=self.check_changed)
        self._settings = settings
        self._clients = clients
        self._in_thread = in_thread
        self.stop_run = stop_run
        self.slow_down = slow_down
        self._reading = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self._handlers: dict[str, list[Callable[[Any, str], None]]] = {}
        for feature in features():
            for name, act in feature.control.items():
                self._handlers.setdefault(name, []).append(act)

    async def open(self) -> None:
        """Make the default model's client, connect to the tool servers, and subscribe."""
        await self._prepare_models()
        await self._read_tool_servers()
        self._start(self._listen())

    async def close(self) -> None:
        """Unsubscribe and close the sessions of tool servers."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.tools.stop()

    def _start(self, coroutine: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _listen(self) -> None:
        client = keyspace.async_client(self._settings.redis_url.get_secret_value(), retries=0)
        async with contextlib.aclosing(client):
            while True:
                try:
                    await self._receive_all(client)
                except (redis.RedisError, OSError) as error:
                    logger.warning("control.disconnected", error=str(error))
                    await asyncio.sleep(1)

    async def _receive_all(self, client: redis.asyncio.Redis) -> None:
        async with client.pubsub() as channel:
            await channel.subscribe(keyspace.CONTROL)
            read_at = float("-inf")
            while True:
                if time.monotonic() - read_at > REREAD_S:  # we may have missed a change
                    self._start(self._read_tool_servers(refresh=False))
                    read_at = time.monotonic()
                message = await channel.get_message(ignore_subscribe_messages=True, timeout=5)
                cancellation.raise_lost()
                if message is not None:
                    self._handle(message["data"].decode(errors="replace"))

    def _handle(self, message: str) -> None:
        name, _, payload = message.partition(":")
        for act in self._handlers.get(name, ()):
            act(self, payload)
        if name not in self._handlers:  # of a feature that this process does not have
            logger.warning("control.unknown", name=name[:40])

    def refresh_models(self) -> None:
        """Make the default model's client before a run needs it, and close those of models that are gone."""
        snapshot.forget()
        self._start(self._prepare_models())

    async def _prepare_models(self) -> None:
        """Do what the first run would do, and wait for: import the provider's package, read the key."""
        try:
            models = await self._in_thread(snapshot.current, self._settings)
        except (DatabaseError, InterfaceError) as error:
            logger.warning("models.unread", error=str(error))
            return
        await self._clients.retire(frozenset(models.specs))
        if models.default is None:
            logger.warning("model.not_ready", reason=models.problem)
            return
        try:
            async with self._clients.use(models.default, timeout_s=self._settings.model_timeout_s):
                pass
        except RunFailed as error:
            logger.warning("model.not_ready", reason=error.detail)

    def refresh_tools(self) -> None:
        """Reread the tool servers' rows and list their tools again."""
        self._start(self._read_tool_servers())

    def check_sessions(self, user_id: str) -> None:
        """Close a person's sessions with tool servers that they may no longer have."""
        self._start(self._check_sessions(user_id))

    def check_changed(self, server: str) -> None:
        """Have a server checked whose prompts or resources have changed."""
        self._start(self._check_changed(server))

    async def _check_changed(self, server: str) -> None:
        try:
            await self._in_thread(lifecycle.check_changed, server)
        except (DatabaseError, InterfaceError) as error:  # the next check is due within a minute
            logger.warning("tools.check_not_requested", server=server, error=str(error))

    async def _check_sessions(self, user_id: str) -> None:
        try:
            await self.tools.personal.verify(user_id)
        except (DatabaseError, InterfaceError) as error:  # all sessions are verified within a minute
            logger.warning("tools.sessions_not_checked", error=str(error))

    async def _servers_of(self, user_id: str) -> Mapping[str, ServerSpec]:
        servers: Mapping[str, ServerSpec] = await self._in_thread(reading.servers_of, user_id, self._settings)
        return servers

    async def _note_tools(self, server: str, tools: tuple[RemoteTool, ...]) -> None:
        """Keep the rows of tools in step with what only people's own sessions list."""
        try:
            await self._in_thread(noting.record, server, [as_offered(tool) for tool in tools], self._settings)
        except (DatabaseError, InterfaceError) as error:
            logger.warning("tools.list_not_stored", server=server, error=str(error))

    async def _read_tool_servers(self, *, refresh: bool = True) -> None:
        """Use the tool servers that are configured now; waits until the database answers."""
        async with self._reading:
            while True:
                try:
                    rows = await self._in_thread(specs.configured, self._settings)
                    governing = await self._in_thread(rules.read, self._settings)
                    self.tools.update(rows, governing, refresh=refresh)
                    await self.tools.personal.verify()
                except (DatabaseError, InterfaceError) as error:
                    logger.warning("tools.unread", error=str(error))
                    await asyncio.sleep(RETRY_S)
                else:
                    return
