"""The marker of an unfinished move: a table in the target that names the source and how far each table is.

It is there until all rows are compared; meanwhile nothing migrates or starts on that database.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

from aiops.database import UNFINISHED_MOVE
from config.local.home import Unusable

SOURCE, STATE = "source", "state"
COPYING, DIFFERS = "copying", "differs"


@dataclass(frozen=True, slots=True)
class Position:
    """How far a table is: the text of the last key, the rows so far, and whether these are all."""

    last: str | None = None
    rows: int = 0
    done: bool = False


def exists(connection: BaseDatabaseWrapper) -> bool:
    """Whether the database holds an unfinished move."""
    return UNFINISHED_MOVE in connection.introspection.table_names()


def refuse_unfinished(using: str, **_: Any) -> None:
    """Raise Unusable when the database holds an unfinished move (a pre_migrate signal)."""
    if exists(connections[using]):
        source = Marker(connections[using]).read(SOURCE)
        raise Unusable(
            f"This database holds an unfinished move from {source}: run that `aiops move` again, "
            "which continues where it was, or use an empty database."
        )


class Marker:
    """The marker in one database."""

    def __init__(self, connection: BaseDatabaseWrapper) -> None:
        self._connection = connection

    def create(self, source: str) -> None:
        """Make the marker; the caller's transaction empties the tables after that."""
        self._run(f"CREATE TABLE {UNFINISHED_MOVE} (name varchar(255) PRIMARY KEY, value text NOT NULL)")
        self.write(SOURCE, source)
        self.write(STATE, COPYING)

    def drop(self) -> None:
        self._run(f"DROP TABLE {UNFINISHED_MOVE}")

    def read(self, name: str) -> str:
        """Return a value; empty if there is none."""
        with self._connection.cursor() as cursor:
            cursor.execute(f"SELECT value FROM {UNFINISHED_MOVE} WHERE name = %s", [name])  # noqa: S608
            row = cursor.fetchone()
        return str(row[0]) if row else ""

    def write(self, name: str, value: str) -> None:
        change = "ON CONFLICT (name) DO UPDATE SET value = excluded.value"
        self._run(f"INSERT INTO {UNFINISHED_MOVE} (name, value) VALUES (%s, %s) {change}", name, value)  # noqa: S608

    def position(self, table: str) -> Position:
        text = self.read(f"table {table}")
        return Position(*json.loads(text)) if text else Position()

    def save(self, table: str, position: Position) -> None:
        """Record how far a table is, in the transaction that writes its rows."""
        self.write(f"table {table}", json.dumps([position.last, position.rows, position.done]))

    def _run(self, sql: str, *values: str) -> None:
        with self._connection.cursor() as cursor:
            cursor.execute(sql, values or None)
