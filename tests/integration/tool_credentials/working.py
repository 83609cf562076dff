"""What a worker process has of tool servers, and three people with their credentials."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from aiops.people.models import User
from aiops.tool_servers.client.pool import Catalogue
from aiops.tool_servers.client.values import RemoteTool
from workers.control import Control

WITHIN_S = 20
ANN, BEN, BEN_LATER = "canary-of-ann-1", "canary-of-ben-2", "canary-of-ben-3"
FIRST = RemoteTool("gitlab_first", "gitlab", "first", "", {})


class Worker:
    """A worker's control and pool, and the database for the test."""

    def __init__(self, control: Control, in_thread: Callable[..., Any]) -> None:
        self.control = control
        self.in_thread = in_thread
        self.pool = control.tools

    async def catalogue(self, user: User) -> Catalogue:
        return await self.pool.catalogue(user_id=str(user.pk))

    async def call(self, user: User, tool: RemoteTool | None = None) -> str:
        return (await self.pool.call(tool or FIRST, {}, user_id=str(user.pk))).text

    async def reread(self) -> None:
        await self.control._read_tool_servers(refresh=False)

    async def closed(self, count: int = 0) -> None:
        async with asyncio.timeout(WITHIN_S):
            while self.pool.personal.count != count:
                await asyncio.sleep(0.02)


async def first(worker: Worker, user: User) -> RemoteTool:
    (tool,) = (await worker.catalogue(user)).tools
    return tool
