"""The database: its clock, which all leases and schedules use, its pool's figures, its one writer, unfinished moves."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from django.db import Error, close_old_connections, connection, transaction
from django.db.models import DateTimeField, ExpressionWrapper, Value
from django.db.models.expressions import Combinable
from django.db.models.functions import Now

from aiops.errors import BUSY, Unavailable

T = TypeVar("T")

_writing = threading.Lock()
TURN_S = 240.0
"""Longest wait for a turn: 40 large batches at once took 60 s on a crowded machine."""

UNFINISHED_MOVE = "aiops_move"
"""Table that ``aiops move`` keeps in its target until all rows are there and compared."""


def refuse_unfinished_move() -> None:
    """Raise RuntimeError if this database holds only a part of the rows; nothing is known of one that is down."""
    try:
        names = with_connection(connection.introspection.table_names)
    except Error:
        return
    if UNFINISHED_MOVE in names:
        raise RuntimeError(
            "The database holds an unfinished move: run that `aiops move` again, or use another database."
        )


def with_connection(function: Callable[..., T], *args: Any, **options: Any) -> T:
    """Call a function in a thread that handles no request, and close the connection that it used."""
    close_old_connections()
    try:
        return function(*args, **options)
    finally:
        connection.close()


@contextlib.contextmanager
def turn_to_write() -> Iterator[None]:
    """Let the threads of this process that write much take turns, where the database has one writer.

    SQLite has no queue: who waits looks again at intervals, and of forty who write at once some are never lucky.
    Raises Unavailable when the turn does not come in time.
    """
    if connection.vendor != "sqlite":
        yield
        return
    if not _writing.acquire(timeout=TURN_S):
        raise Unavailable(BUSY)
    try:
        yield
    finally:
        _writing.release()


def pool_figures() -> dict[str, float]:
    """Return the pool's gauges: its connections, and requests that wait for one; {} without a pool."""
    pool: Any = getattr(connection, "pool", None) if connection.vendor == "postgresql" else None
    if pool is None:
        return {}
    stats = pool.get_stats()
    return {
        "database_pool_size": stats.get("pool_size", 0),
        "database_pool_waiting": stats.get("requests_waiting", 0),
    }


def now_s() -> float:
    """Return the database's time as Unix seconds."""
    sql = {  # SQLite before 3.42 has no unixepoch with fractions
        "sqlite": "SELECT (julianday('now') - 2440587.5) * 86400.0",
        "postgresql": "SELECT extract(epoch FROM clock_timestamp())",
    }
    with connection.cursor() as cursor:
        cursor.execute(sql[connection.vendor])
        row: Any = cursor.fetchone()
    return float(row[0])


def now() -> datetime:
    """Return the database's time."""
    return datetime.fromtimestamp(now_s(), UTC)


def in_seconds(seconds: float) -> Combinable:
    """Return an expression for the database's time ``seconds`` from now (negative: ago)."""
    return ExpressionWrapper(Now() + Value(timedelta(seconds=seconds)), output_field=DateTimeField())


def once_committed(function: Callable[[], Any]) -> None:
    """Call a function after the commit: once, however many rows of the transaction ask for it."""
    waiting = transaction.get_connection().run_on_commit
    if not any(hook[1] is function for hook in waiting):
        transaction.on_commit(function)
