"""Memory in PostgreSQL: the library's saver over our pool, its tables made by ``migrate``, and forgetting."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator

import psycopg
import pytest
from langgraph.checkpoint.conformance import checkpointer_test, validate
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver

from aiops.agent.memory import postgres
from aiops.agent.memory.postgres import PostgresMemory
from aiops.conversations import memories
from tests.servers.postgresql import PostgreSQL

FORGET = """
import django, sys
django.setup()
from aiops.conversations import memories
assert memories.forget(["a", "b"])
"""


@pytest.fixture
def url(postgresql: PostgreSQL) -> Iterator[str]:
    """An empty database."""
    with psycopg.connect(postgresql.url, autocommit=True) as connection:
        connection.execute("DROP DATABASE IF EXISTS memory WITH (FORCE)")
        connection.execute("CREATE DATABASE memory")
    return postgresql.url.replace("/postgres", "/memory")


def environment(url: str) -> dict[str, str]:
    return {**os.environ, "DATABASE_URL": url, "AIOPS_CHECKPOINTER": "postgres"}


async def test_memory_in_postgresql_does_all_that_a_saver_must(url: str) -> None:
    await postgres.migrate(url)
    await postgres.migrate(url)

    @checkpointer_test(name="PostgresMemory")
    async def factory() -> AsyncIterator[AsyncPostgresSaver]:
        memory = PostgresMemory(url, max_connections=2)
        await memory.open()
        yield memory.saver()
        await memory.close()

    report = await validate(factory)
    assert report.passed_all_base(), report.to_dict()


async def test_each_run_has_a_saver_of_its_own_over_one_pool(url: str) -> None:
    memory = PostgresMemory(url, max_connections=2)
    await memory.open()
    one, other = memory.saver(), memory.saver()
    assert one.lock is not other.lock
    assert one.conn is other.conn
    await memory.close()


def test_migrate_makes_the_tables_and_forgetting_empties_them(url: str) -> None:
    subprocess.run(
        [sys.executable, "-m", "django", "migrate", "--verbosity=0"], env=environment(url), check=True, timeout=60
    )
    with psycopg.connect(url, autocommit=True) as connection:
        for table in memories.TABLES:
            columns = {
                "checkpoints": "(thread_id, checkpoint_id, checkpoint) VALUES (%s, '1', '{}')",
                "checkpoint_blobs": "(thread_id, channel, version, type) VALUES (%s, 'c', '1', 't')",
                "checkpoint_writes": "(thread_id, checkpoint_id, task_id, idx, channel, blob) "
                "VALUES (%s, '1', 't', 0, 'c', '')",
            }[table]
            for thread in ("a", "b", "kept"):
                connection.execute(f"INSERT INTO {table} {columns}", [thread])  # type: ignore[arg-type]
        subprocess.run([sys.executable, "-c", FORGET], env=environment(url), check=True, timeout=60)
        for table in memories.TABLES:
            left = connection.execute(f"SELECT thread_id FROM {table}").fetchall()  # type: ignore[arg-type]
            assert left == [("kept",)]
