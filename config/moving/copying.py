"""Copies the tables in batches; each batch and the record of how far its table is are one transaction."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence

from django.core.management.color import no_style
from django.db import connections, transaction

from config.moving import tables
from config.moving.marker import Marker, Position
from config.moving.tables import SOURCE, TARGET, Table

Report = Callable[[str, int, int], None]
"""Called with a table's name, the rows so far and the rows in all."""


def copy(group: Sequence[Table], marker: Marker, report: Report) -> None:
    """Copy what is not yet there of these tables; raises DoesNotFit."""
    whole = transaction.atomic(using=TARGET) if tables.is_cyclic(group) else contextlib.nullcontext()
    with whole:
        for table in group:
            _copy(table, marker, report)


def reset_sequences(all_tables: Sequence[Table]) -> None:
    """Let the target number new rows behind those that came with their keys."""
    target = connections[TARGET]
    with target.cursor() as cursor:
        for sql in target.ops.sequence_reset_sql(no_style(), [table.model for table in all_tables]):
            cursor.execute(sql)


def empty(all_tables: Sequence[Table]) -> None:
    """Remove all rows of the target, which ``migrate`` or an earlier try has made."""
    target = connections[TARGET]
    target.ops.execute_sql_flush(target.ops.sql_flush(no_style(), [table.name for table in all_tables]))


def _copy(table: Table, marker: Marker, report: Report) -> None:
    position, total = marker.position(table.name), table.count(SOURCE)
    if position.done:
        return
    after = None if position.last is None else table.key.to_python(position.last)
    copied = position.rows
    with contextlib.closing(table.rows(SOURCE, after=after)) as rows:
        for batch in tables.batches(table.fitted(rows)):
            copied += len(batch)
            with transaction.atomic(using=TARGET):
                table.insert(batch)
                marker.save(table.name, Position(str(batch[-1][table.key_index]), copied))
            report(table.name, copied, total)
    marker.save(table.name, Position(None, copied, done=True))
