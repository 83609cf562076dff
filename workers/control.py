"""What a worker process hears: stop this run, slow this model down, read the tool servers anew."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Coroutine
from typing import Any

import redis
import redis.asyncio
from django.db import DatabaseError, InterfaceError

from aiops import keyspace, log
from aiops.registry import tool_servers
from aiops.settings import Settings
from aiops.tools.pool import ToolPool

READ_S = 60.0
"""How old what is known of tool servers may be when nothing was heard."""
AGAIN_S = 2.0
"""Before the next try to read the tool servers' rows."""

logger = log.get(__name__)


class Control:
    """Listens on the control channel; while Redis is down the heartbeat brings requests to stop."""

    def __init__(
        self,
        settings: Settings,
        *,
        in_thread: Callable[..., Coroutine[Any, Any, Any]],
        stop_run: Callable[[str], None],
        slow_down: Callable[[str], None],
    ) -> None:
        self.tools = ToolPool((), timeout_s=settings.tool_timeout_s)
        self._settings = settings
        self._in_thread = in_thread
        self._stop_run = stop_run
        self._slow_down = slow_down
        self._reading = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Connect to the tool servers, and begin to listen."""
        await self._read_tool_servers()
        self._begin(self._listen())

    async def close(self) -> None:
        """End listening, and close the sessions of tool servers."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.tools.stop()

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _listen(self) -> None:
        client = keyspace.async_client(self._settings.redis_url.get_secret_value(), retries=0)
        async with contextlib.aclosing(client):
            while True:
                try:
                    await self._hear_all(client)
                except (redis.RedisError, OSError) as error:
                    logger.warning("control.disconnected", error=str(error))
                    await asyncio.sleep(1)

    async def _hear_all(self, client: redis.asyncio.Redis) -> None:
        async with client.pubsub() as channel:
            await channel.subscribe(keyspace.CONTROL)
            read_at = float("-inf")
            while True:
                if time.monotonic() - read_at > READ_S:  # who did not listen may have missed a change
                    self._begin(self._read_tool_servers(refresh=False))
                    read_at = time.monotonic()
                message = await channel.get_message(ignore_subscribe_messages=True, timeout=5)
                if message is not None:
                    self._hear(message["data"].decode(errors="replace"))

    def _hear(self, said: str) -> None:
        if said.startswith(keyspace.SLOW_DOWN):
            self._slow_down(said.removeprefix(keyspace.SLOW_DOWN))
        elif said == keyspace.TOOLS:
            self._begin(self._read_tool_servers())
        else:
            self._stop_run(said)

    async def _read_tool_servers(self, *, refresh: bool = True) -> None:
        """Use the tool servers that there are now; waits for the database."""
        async with self._reading:
            while True:
                try:
                    rows = await self._in_thread(tool_servers.configured, self._settings)
                    self.tools.update(rows, refresh=refresh)
                except (DatabaseError, InterfaceError) as error:
                    logger.warning("tools.unread", error=str(error))
                    await asyncio.sleep(AGAIN_S)
                else:
                    return
