"""A PostgreSQL database of the benchmark's own, made for one row and dropped after it."""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Iterator

import psycopg

SERVER = os.environ.get("AIOPS_BENCH_POSTGRESQL", "postgres://postgres@127.0.0.1:5432")


def _ask(sql: str) -> str:
    with psycopg.connect(f"{SERVER}/postgres", autocommit=True, connect_timeout=3) as connection:
        cursor = connection.execute(sql)
        return str(cursor.fetchone()[0]) if cursor.description else ""


def version() -> str:
    """Return the server's version, or why it cannot be used."""
    try:
        return _ask("show server_version").split()[0]
    except psycopg.Error as error:
        return f"none ({error})".replace("\n", " ")


@contextlib.contextmanager
def own() -> Iterator[str]:
    """Yield the URL of an empty database."""
    name = f"aiops_bench_{uuid.uuid4().hex[:8]}"
    _ask(f"create database {name}")
    try:
        yield f"{SERVER}/{name}"
    finally:
        _ask(f"drop database {name} with (force)")


def connections(url: str) -> int:
    """Return how many connections to a database are open."""
    name = url.rpartition("/")[2]
    return int(_ask(f"select count(*) from pg_stat_activity where datname = '{name}'"))
