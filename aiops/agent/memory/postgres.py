"""Memory in PostgreSQL, by the library's saver: one object for each run over one checked pool.

A saver holds a lock during every operation, so runs that shared one would wait for each other
(langgraph-checkpoint-postgres 3.2, as of November 2026).
"""

from __future__ import annotations

from typing import Any

import psycopg
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from psycopg import AsyncConnection
from psycopg.rows import DictRow, dict_row
from psycopg_pool import AsyncConnectionPool

AWAY = (psycopg.Error, OSError)
"""Errors of the saver when its server cannot be reached."""
WAIT_S = 5.0
"""Longest wait for a connection."""


class PostgresMemory:
    """The pool of one process; needs a running loop."""

    def __init__(self, url: str, *, max_connections: int) -> None:
        options: dict[str, Any] = {
            "autocommit": True,
            "prepare_threshold": 0,
            "row_factory": dict_row,
            "connect_timeout": 5,
            "keepalives_idle": 5,
            "keepalives_interval": 2,
            "keepalives_count": 3,
            "tcp_user_timeout": 5_000,  # an unacknowledged write must not arrive after the lease has ended
        }
        self._pool: AsyncConnectionPool[AsyncConnection[DictRow]] = AsyncConnectionPool(
            url,
            kwargs=options,
            min_size=0,
            max_size=max_connections,
            timeout=WAIT_S,
            max_idle=60,
            check=AsyncConnectionPool.check_connection,
            open=False,
        )

    async def open(self) -> None:
        """Open the pool without waiting for the server."""
        await self._pool.open(wait=False)

    async def close(self) -> None:
        await self._pool.close(timeout=2)

    def saver(self) -> AsyncPostgresSaver:
        return AsyncPostgresSaver(self._pool)


async def migrate(url: str) -> None:
    """Bring the saver's tables up to date; safe to repeat."""
    async with AsyncPostgresSaver.from_conn_string(url) as saver:
        await saver.setup()
