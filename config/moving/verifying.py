"""Compares source and target: the number of rows and a checksum over all columns of each table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass

from config.moving.tables import SOURCE, TARGET, Row, Table
from config.moving.values import Column, digest

WHOLE = 1 << 256


@dataclass(frozen=True, slots=True)
class Sum:
    """Rows, and the sum of their SHA-256: it is the same in any order, since the databases sort texts differently."""

    rows: int
    checksum: int

    def __str__(self) -> str:
        return f"{self.checksum:064x}"[:12]


@dataclass(frozen=True, slots=True)
class Comparison:
    """One table on both sides."""

    table: str
    source: Sum
    target: Sum

    @property
    def is_equal(self) -> bool:
        return self.source == self.target


def compare(table: Table) -> Comparison:
    """Read a table on both sides; raises DoesNotFit."""
    with closing(table.rows(SOURCE)) as source, closing(table.rows(TARGET)) as target:
        return Comparison(table.name, _sum(table.columns, table.fitted(source)), _sum(table.columns, target))


def report(comparisons: Sequence[Comparison]) -> str:
    """Return the table that people read: rows and checksum of each table that has rows."""
    shown = [one for one in comparisons if one.source.rows or one.target.rows]
    width = max((len(one.table) for one in shown), default=0)
    lines = [f"{'table':{width}}  {'rows':>10}  checksum"]
    for one in shown:
        lines.append(f"{one.table:{width}}  {one.source.rows:>10,}  {one.source}")
        if not one.is_equal:
            lines.append(f"{'  in the target':{width}}  {one.target.rows:>10,}  {one.target}  DIFFERS")
    rows = sum(one.source.rows for one in comparisons)
    lines.append(f"{'all':{width}}  {rows:>10,}  and {len(comparisons) - len(shown)} tables without rows")
    return "\n".join(lines)


def _sum(columns: Sequence[Column], rows: Iterable[Row]) -> Sum:
    count = checksum = 0
    for row in rows:
        count += 1
        checksum = (checksum + digest(columns, row)) % WHOLE
    return Sum(count, checksum)
