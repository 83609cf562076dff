"""What a worker process gives its runs, for tests without one: a real database, a real Redis, and tools of the test."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from types import SimpleNamespace
from typing import Any

from django.conf import settings as django_settings

from aiops import database, keyspace, settings
from aiops.agent.memory.process import ProcessSaver
from aiops.agent.values import Limits
from aiops.events.redaction import Redactor
from aiops.llm.clients import Clients


@contextlib.asynccontextmanager
async def run_context(tools: Any, limits: Limits) -> AsyncIterator[Any]:
    """Yield a RunContext."""
    client = keyspace.async_client(settings.current().redis_url.get_secret_value())
    saver = ProcessSaver()

    async def in_thread(function: Callable[..., Any], *args: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(
            threads, partial(database.with_connection, function, *args)
        )

    with ThreadPoolExecutor(2) as threads:
        yield SimpleNamespace(
            settings=django_settings.SETTINGS,
            limits=limits,
            redis=client,
            memory=lambda: saver,
            memory_away=(),
            tools=tools,
            redactor=Redactor(),
            clients=Clients(django_settings.SETTINGS),
            pacer=None,
            in_thread=in_thread,
        )
    await client.aclose()
