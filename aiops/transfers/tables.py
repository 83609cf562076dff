"""What a transfer needs of a table of rows: its resource of the API, whose shapes and rules are those of a file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import ForeignKey, Model, QuerySet
from rest_framework import serializers

from aiops.apps import features, load
from aiops.errors import NotFound
from aiops.people.models import User
from aiops.transfers import cells

Key = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """A resource; ``rows`` is its class in the API (``web.api.rows.KeptRows``)."""

    path: str
    rows: Any
    columns: Mapping[str, Any]
    """The fields that a file can have, by name."""
    fixed: frozenset[str] = frozenset()
    """Those that only say which row is meant, and that no file changes."""

    @classmethod
    def of(cls, path: str, rows: Any) -> Table:
        """Return the table of a resource."""
        fields = dict(rows.change().fields)
        fixed = [name for name in rows.key if name not in fields]
        named = {name: serializers.CharField(trim_whitespace=False) for name in fixed}
        # What the API keeps no digest of is not kept in a file, either.
        known = fields if rows.keyed else {name: one for name, one in fields.items() if name != "value"}
        return cls(path, rows, {**named, **known}, frozenset(fixed))

    @property
    def key(self) -> Key:
        """The columns that say which row is meant."""
        key: Key = self.rows.key
        return key

    @property
    def model(self) -> type[Model]:
        """The table."""
        model: type[Model] = self.rows.table
        return model

    @property
    def adds(self) -> bool:
        """Whether a file can add rows: aiops makes those of some tables itself."""
        return hasattr(self.rows, "shape")

    @property
    def needed(self) -> tuple[str, ...]:
        """What a person must be allowed to do with the rows to import a file."""
        return ("add", "change") if self.adds else ("change",)

    def may(self, user: User, *verbs: str) -> bool:
        """Return whether a person may do this with its rows: view, add, change."""
        meta = self.model._meta
        return user.is_active and all(user.has_perm(f"{meta.app_label}.{verb}_{meta.model_name}") for verb in verbs)

    def known(self, keys: Iterable[Key]) -> dict[Key, Model]:
        """Return the rows that are there, by key."""
        wanted = set(keys)
        lookups = [self._lookup(name) for name in self.key]
        found = self.rows.queryset.all()
        for index, lookup in enumerate(lookups):
            found = found.filter(**{f"{lookup}__in": {key[index] for key in wanted}})
        return {key: row for row in found if (key := self._key_of(row)) in wanted}

    def cells(self, row: Model) -> dict[str, str]:
        """Return a row as cells."""
        shown = (self.rows.file_class or self.rows.serializer_class)(row).data
        return {name: cells.written(shown.get(name)) for name in self.columns}

    def changeable(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return the values of a row that can be changed."""
        return {name: value for name, value in given.items() if name not in self.fixed}

    def all(self, chosen: list[str]) -> QuerySet[Model]:
        """Return the rows of these ids, or all, in the order of their keys."""
        found: QuerySet[Model] = self.rows.queryset.order_by(*(self._lookup(name) for name in self.key))
        return found.filter(pk__in=chosen) if chosen else found

    def _lookup(self, name: str) -> str:
        return f"{name}__name" if isinstance(self.model._meta.get_field(name), ForeignKey) else name

    def _key_of(self, row: Model) -> Key:
        return tuple(str(getattr(row, name)) for name in self.key)


def tables() -> Iterator[Table]:
    """Yield the resources whose rows have files: those that say what their key is."""
    for feature in features():
        for path, dotted in feature.api.items():
            view = load(dotted)
            if getattr(view, "key", ()):
                yield Table.of(path, view)


def table(path: str) -> Table:
    """Return a table by its path below /api/; raises NotFound."""
    found = next((one for one in tables() if one.path == path), None)
    if found is None:
        raise NotFound(f"There is no table {path!r} that has files.")
    return found


def values(given: Mapping[str, str], columns: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the values of cells, and what is wrong with the others, both by column."""
    read: dict[str, Any] = {}
    problems: dict[str, str] = {}
    for name, text in given.items():
        try:
            read[name] = cells.read(text, columns[name])
        except cells.Unreadable as error:
            problems[name] = str(error)
    return read, problems
