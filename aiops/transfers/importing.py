"""Imports a CSV file: all rows are tried first, and nothing is changed when one of them is refused.

Both passes go in short transactions, because SQLite has one writer. A pass that breaks off is repeated from the
beginning; rows that are as the file says already are left alone.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any

from django.db import DataError, transaction
from django.db.models import Model
from rest_framework import serializers

from aiops.changes import recording
from aiops.errors import AiopsError, Invalid
from aiops.people.models import User
from aiops.transfers.reading import BadFile, Line, lines
from aiops.transfers.tables import Key, Table, values

CHUNK = 100
MAX_PROBLEMS = 200
"""Problems that are kept; a file with more is wrong as a whole."""
NOT_THERE = "There is no such row, and no file adds one: aiops makes these itself."
ADDED, CHANGED, UNCHANGED = "added", "changed", "unchanged"
Progress = Callable[[str, int, int], None]


class _Undo(Exception):
    """Takes back what was tried."""


@dataclass(slots=True)
class Imported:
    """What came of a file."""

    outcome: Counter[str] = field(default_factory=Counter)
    problems: list[dict[str, Any]] = field(default_factory=list)

    def refuse(self, row: int, text: str, column: str = "") -> None:
        """Note what is wrong with a cell, or with a row as a whole."""
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append({"row": row, "column": column, "text": text[:500]})


def import_(table: Table, data: bytes, user: User, reason: str, progress: Progress) -> Imported:
    """Import a file; what is wrong with it is in ``problems``.

    Then nothing was changed, unless ``outcome`` has counts: another change came between both passes.
    """
    result = Imported()
    if not table.may(user, *table.needed):
        result.refuse(0, f"You may not {' and '.join(table.needed)} these rows any more.")
        return result
    try:
        found = lines(data, columns=table.columns.keys(), needed=table.key)
    except BadFile as bad:
        result.refuse(bad.row, str(bad))
        return result
    work = _Work(table, user, reason, result)
    # First the new default, so that there is one at every moment.
    rows = sorted(work.read(found), key=lambda row: row.given.get("is_default") is not True)
    work.go("checking", rows, progress, keep=False)
    result.outcome.clear()
    if not result.problems:
        work.go("saving", rows, progress, keep=True)
    return result


@dataclass(frozen=True, slots=True)
class _Row:
    row: int
    key: Key
    given: dict[str, Any]


@dataclass(slots=True)
class _Work:
    table: Table
    user: User
    reason: str
    result: Imported

    def read(self, found: Sequence[Line]) -> list[_Row]:
        """Return the rows whose cells are values of their columns."""
        rows: list[_Row] = []
        seen: dict[Key, int] = {}
        columns = self.table.columns
        for line in found:
            if line.problem:
                self.result.refuse(line.row, line.problem)
                continue
            given, problems = values(line.cells, columns)
            for column, text in problems.items():
                self.result.refuse(line.row, text, column)
            if missing := [name for name in self.table.key if name not in line.cells]:
                self.result.refuse(line.row, "It is blank, and says which row is meant.", missing[0])
                continue
            key = tuple(_trimmed(str(given.get(name, "")), columns[name]) for name in self.table.key)
            if key in seen:
                self.result.refuse(line.row, f"Row {seen[key]} has the same {' and '.join(self.table.key)}.")
            seen.setdefault(key, line.row)
            if problems:
                self._shape(line.row, given)
            else:
                rows.append(_Row(line.row, key, given))
        return rows

    def _shape(self, row: int, given: dict[str, Any]) -> None:
        """Note what else is wrong with a row that cannot be read as a whole."""
        try:
            self.table.rows.change.read(self.table.changeable(given))
        except serializers.ValidationError as error:
            self._refuse(row, error)

    def _refuse(self, row: int, error: serializers.ValidationError) -> None:
        details: Any = error.detail
        for column, reasons in details.items():
            self.result.refuse(row, _words(reasons), column)

    def go(self, phase: str, rows: list[_Row], progress: Progress, *, keep: bool) -> None:
        """Go through all rows; without ``keep``, take back each change. Stop at a problem only when keeping."""
        later = frozenset(self.table.rows.later)
        put_off: list[_Row] = []
        done = 0
        of_file = {row.key: row for row in rows}
        for chunk in _chunks(rows):
            progress(phase, done, len(rows))
            first = []
            for row in chunk:
                of_later = {name: value for name, value in row.given.items() if name in later and value}
                if of_later:
                    put_off.append(row)
                first.append(_Row(row.row, row.key, {n: v for n, v in row.given.items() if n not in of_later}))
            self._chunk(first, keep=keep, counted=True)
            if keep and self.result.problems:
                return
            done += len(chunk)
        for chunk in _chunks(put_off):
            self._chunk(chunk, keep=keep, counted=False, first=() if keep else _named(chunk, later, of_file))
            if keep and self.result.problems:
                return
        progress(phase, len(rows), len(rows))

    def _chunk(self, chunk: list[_Row], *, keep: bool, counted: bool, first: Sequence[_Row] = ()) -> None:
        """Go through some rows; ``first`` are those of the file that they name, and that were taken back."""
        known = self.table.known(row.key for row in (*chunk, *first))
        try:
            with recording.together(), transaction.atomic():
                for row in first:
                    self._one(row, known.get(row.key), counted=False, quiet=True)
                if first:
                    known = self.table.known(row.key for row in chunk)
                for row in chunk:
                    self._one(row, known.get(row.key), counted=counted)
                if not keep:
                    raise _Undo
        except _Undo:
            pass

    def _one(self, row: _Row, there: Model | None, *, counted: bool, quiet: bool = False) -> None:
        """Save a row as the file has it; ``quiet``: what is wrong with it is noted already."""
        resource, problems = self.table.rows(), len(self.result.problems)
        try:
            if there is not None:
                fields = self.table.rows.change.read(self.table.changeable(row.given))
                current, _ = values(self.table.cells(there), self.table.columns)
                columns = self.table.columns
                fields = {n: v for n, v in fields.items() if not _same(row.given[n], current.get(n), columns[n])}
                if fields:
                    locked = self.table.rows.queryset.select_for_update(of=("self",)).get(pk=there.pk)
                    self._save(resource, locked, fields)
                kind = CHANGED if fields else UNCHANGED
            elif not self.table.adds:
                raise Invalid(NOT_THERE)
            else:
                self._save(resource, self.table.model(), self.table.rows.shape.read(row.given))
                kind = ADDED
        except serializers.ValidationError as error:
            self._refuse(row.row, error)
        except Invalid as error:
            for column, reasons in error.errors.items() or {"": [error.detail]}.items():
                self.result.refuse(row.row, _words(reasons), column)
        except AiopsError as error:
            self.result.refuse(row.row, error.detail)
        except DataError as error:
            self.result.refuse(row.row, f"The database cannot store it: {' '.join(str(error).split())}")
        else:
            if counted:
                self.result.outcome[kind] += 1
        if quiet:
            del self.result.problems[problems:]

    def _save(self, resource: Any, row: Model, fields: dict[str, Any]) -> None:
        with transaction.atomic(), recording.by(self.user, reason=self.reason):
            resource.save_row(row, fields, self.user)


def _chunks(rows: list[_Row]) -> Iterator[list[_Row]]:
    for start in range(0, len(rows), CHUNK):
        yield rows[start : start + CHUNK]


def _named(chunk: list[_Row], later: frozenset[str], of_file: Mapping[Key, _Row]) -> list[_Row]:
    """Return the rows of the file that these refer to, without their own references."""
    values = [row.given[name] for row in chunk for name in later if name in row.given]
    names = {one for value in values for one in (value if isinstance(value, list) else [value]) if isinstance(one, str)}
    own = {row.key for row in chunk}
    found = [of_file[(name,)] for name in sorted(names) if (name,) in of_file and (name,) not in own]
    return [_Row(row.row, row.key, {n: v for n, v in row.given.items() if n not in later}) for row in found]


def _same(given: Any, current: Any, field: Any) -> bool:
    """Return whether a cell says what is there: a decimal number comes as text of another length."""
    if given is None or current is None:
        return given in (None, "") and current in (None, "")
    if isinstance(field, serializers.DecimalField):
        with contextlib.suppress(InvalidOperation):
            return Decimal(str(given)) == Decimal(str(current))
    return bool(given == current)


def _trimmed(text: str, field: Any) -> str:
    return text.strip() if getattr(field, "trim_whitespace", True) else text


def _words(reasons: Any) -> str:
    if isinstance(reasons, dict):
        return " ".join(f"{name}: {_words(one)}" for name, one in reasons.items())
    return " ".join(map(str, reasons)) if isinstance(reasons, list | tuple) else str(reasons)
