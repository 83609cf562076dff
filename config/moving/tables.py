"""The tables that are moved: those of all installed models, in an order in which references lead to what is there."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any, TypeVar

from django.apps import apps
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Field, Model, QuerySet

from config.moving.values import Column, Unfit, size

SOURCE, TARGET = "source", "default"
"""Django's names of the two databases. The target is the default, so that what ``migrate`` calls finds it."""
READ_ROWS = 20
"""Rows that a driver holds at once: the largest have about half a megabyte."""
BATCH_ROWS = 1_000
BATCH_BYTES = 4_000_000
Row = tuple[Any, ...]
T = TypeVar("T")


class DoesNotFit(Exception):
    """The target has no room for a value of the source; the message names its place."""


@dataclass(frozen=True, slots=True)
class Table:
    """One table, read by primary key and written in batches."""

    model: type[Model]
    columns: tuple[Column, ...]

    @classmethod
    def of(cls, model: type[Model], target: BaseDatabaseWrapper) -> Table:
        stored = [field for field in model._meta.local_concrete_fields if not getattr(field, "generated", False)]
        return cls(model, tuple(Column.of(field, target) for field in stored))

    @property
    def name(self) -> str:
        return self.model._meta.db_table

    @property
    def key(self) -> Field[Any, Any]:
        return self.model._meta.pk

    @property
    def key_index(self) -> int:
        return [column.field for column in self.columns].index(self.key)

    def count(self, alias: str) -> int:
        return QuerySet(self.model, using=alias).count()

    def rows(self, alias: str, *, after: Any = None) -> Generator[Row, None, None]:
        """Yield the rows in the order of their keys, from the one behind ``after``, with bounded memory.

        Close it before the connection: it holds a cursor.
        """
        rows: QuerySet[Model] = QuerySet(self.model, using=alias).order_by("pk")
        if after is not None:
            rows = rows.filter(pk__gt=after)
        yield from rows.values_list(*(c.field.attname for c in self.columns)).iterator(chunk_size=READ_ROWS)

    def fitted(self, rows: Iterable[Row]) -> Iterator[Row]:
        """Yield rows as the target stores them; raises DoesNotFit."""
        for row in rows:
            yield tuple(self._fit(column, value, row) for column, value in zip(self.columns, row, strict=True))

    def _fit(self, column: Column, value: Any, row: Row) -> Any:
        try:
            return column.fit(value)
        except Unfit as unfit:
            raise DoesNotFit(
                f"{self.name}.{column.field.column} of the row {row[self.key_index]} cannot be stored in the target: "
                f"{unfit}. Correct it in the source, and run this again: it continues where it was."
            ) from unfit

    def insert(self, rows: Sequence[Row]) -> None:
        """Write rows as they are, with their keys and all their times."""
        target = connections[TARGET]
        quoted = ", ".join(target.ops.quote_name(str(column.field.column)) for column in self.columns)
        places = ", ".join(["%s"] * len(self.columns))
        sql = f"INSERT INTO {target.ops.quote_name(self.name)} ({quoted}) VALUES ({places})"  # noqa: S608  our own names
        with target.cursor() as cursor:
            cursor.executemany(sql, [self._parameters(row, target) for row in rows])

    def _parameters(self, row: Row, target: BaseDatabaseWrapper) -> list[Any]:
        return [column.parameter(value, target) for column, value in zip(self.columns, row, strict=True)]


def batches(rows: Iterable[Row]) -> Iterator[list[Row]]:
    """Yield lists of at most BATCH_ROWS rows and not much more than BATCH_BYTES."""
    batch: list[Row] = []
    bytes_ = 0
    for row in rows:
        batch.append(row)
        bytes_ += sum(map(size, row))
        if len(batch) == BATCH_ROWS or bytes_ >= BATCH_BYTES:
            yield batch
            batch, bytes_ = [], 0
    if batch:
        yield batch


def groups() -> list[list[Table]]:
    """Return all tables in the order of their references; those that refer to each other are one group."""
    models = [model for model in apps.get_models(include_auto_created=True) if _is_ours(model)]
    ordered = in_order({model: _needed_by(model) for model in models})
    return [[Table.of(model, connections[TARGET]) for model in group] for group in ordered]


def in_order(needs: Mapping[T, Set[T]]) -> list[list[T]]:
    """Return each alone behind all that it needs; from the first cycle on, the rest is one group."""
    made: list[list[T]] = []
    placed: set[T] = set()
    while left := [one for one in needs if one not in placed]:
        free = [one for one in left if needs[one] - {one} <= placed]
        made += [[one] for one in free] or [left]
        placed.update(free or left)
    return made


def is_cyclic(group: Sequence[Table]) -> bool:
    """Whether rows of a group may refer to rows that come later: only a transaction over all of them can hold them."""
    return len(group) > 1 or group[0].model in _needed_by(group[0].model)


def strangers(known: Iterable[Table]) -> list[str]:
    """Return the source's tables that no installed package has, but for Django's record of migrations."""
    ours = {table.name for table in known} | {"django_migrations"}
    return sorted(set(connections[SOURCE].introspection.table_names()) - ours)


def _is_ours(model: type[Model]) -> bool:
    return model._meta.managed and not model._meta.proxy and not model._meta.swapped


def _needed_by(model: type[Model]) -> set[type[Model]]:
    related = [field.related_model for field in model._meta.local_concrete_fields if field.is_relation]
    return {other._meta.concrete_model or other for other in related if isinstance(other, type)}
