"""How the test database is flushed: with the rows of the audit log, and rows that a migration makes are copied back."""

from __future__ import annotations

from typing import Any

from django.contrib.contenttypes.models import ContentType
from django.core.management.sql import emit_post_migrate_signal, sql_flush
from django.db import connections, transaction

from aiops.database import UNFINISHED_MOVE

Rows = dict[str, tuple[list[str], list[tuple[Any, ...]]]]
"""Columns and rows, by table."""


def statements(style: Any, connection: Any, **options: Any) -> list[str]:
    """Return the statements that empty all tables; the audit log lets only the target of a move be emptied."""
    emptying = sql_flush(style, connection, **options)
    return [f"CREATE TABLE {UNFINISHED_MOVE} (name text)", *emptying, f"DROP TABLE {UNFINISHED_MOVE}"]


class PostMigrate:
    """Sends ``post_migrate`` after the first flush, and writes the rows that it made again after all others.

    Its receivers look for each content type and permission: 35 ms after each of hundreds of tests.
    """

    def __init__(self) -> None:
        self._rows: Rows = {}

    def __call__(self, verbosity: int, interactive: bool, db: str, **options: Any) -> None:
        if not self._rows:
            emit_post_migrate_signal(verbosity, interactive, db, **options)
            self._rows = _read(db)
            return
        _write(db, self._rows)
        ContentType.objects.clear_cache()


def _read(db: str) -> Rows:
    connection = connections[db]
    found: Rows = {}
    with connection.cursor() as cursor:
        for name in connection.introspection.django_table_names(only_existing=True, include_views=False):
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(name)}")
            if rows := cursor.fetchall():
                found[name] = [column[0] for column in cursor.description], rows
    return found


def _write(db: str, tables: Rows) -> None:
    connection = connections[db]
    quote = connection.ops.quote_name
    with transaction.atomic(using=db), connection.cursor() as cursor:
        for name, (columns, rows) in tables.items():
            listed, values = ", ".join(map(quote, columns)), ", ".join(["%s"] * len(columns))
            cursor.executemany(f"INSERT INTO {quote(name)} ({listed}) VALUES ({values})", rows)
