"""Values on their way: what the target takes, and a canonical form that is the same in both databases."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Context, Decimal
from typing import Any
from uuid import UUID

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Field, ForeignKey, JSONField

from aiops import untrusted

DIGITS = Context(prec=1_000)
"""PostgreSQL writes a JSON number without its exponent: the largest float has 309 digits."""


class Unfit(ValueError):
    """The target has no room for a value; the message says why."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column, and the limits that the target enforces on it."""

    field: Field[Any, Any]
    strict: bool
    """Whether the target is PostgreSQL, which refuses what SQLite takes."""
    lowest: int | None
    highest: int | None
    max_chars: int | None

    @classmethod
    def of(cls, field: Field[Any, Any], target: BaseDatabaseWrapper) -> Column:
        strict, kind = target.vendor == "postgresql", str(field.db_type(target))
        lowest = highest = None
        if kind.startswith(("smallint", "integer", "bigint")):
            numbers = field
            while isinstance(numbers, ForeignKey):
                numbers = numbers.target_field
            lowest, highest = target.ops.integer_field_range(numbers.get_internal_type())
        max_chars = field.max_length if strict and kind.startswith("varchar(") else None
        return cls(field, strict, lowest, highest, max_chars)

    def fit(self, value: Any) -> Any:
        """Return the value as the target stores it; raises Unfit.

        Characters that PostgreSQL refuses are replaced as the product replaces them in what it is sent.
        """
        if value is None or not self.strict:
            return value
        if isinstance(self.field, JSONField):
            text = json.dumps(value, ensure_ascii=False)
            suspected = untrusted.UNSTORABLE.search(text) or any(s in text for s in ("\\u0000", "NaN", "Infinity"))
            return untrusted.clean_json(value) if suspected else value
        if isinstance(value, str):
            value = untrusted.clean(value)
            if self.max_chars is not None and len(value) > self.max_chars:
                raise Unfit(f"it has {len(value)} characters, and at most {self.max_chars} are stored")
        if self.lowest is not None and not self.lowest <= value <= (self.highest or 0):
            raise Unfit(f"{value} is outside {self.lowest} to {self.highest}")
        return value

    def parameter(self, value: Any, target: BaseDatabaseWrapper) -> Any:
        """Return what the target's driver is given for a value."""
        if value is None and isinstance(self.field, JSONField) and not self.field.null:
            return self.field.get_db_prep_value(None, target)  # JSON's null, which is read as None too
        return self.field.get_db_prep_save(value, target)

    def canonical(self, value: Any) -> bytes:
        """Return the bytes that stand for a value in a checksum."""
        if isinstance(self.field, JSONField) and value is not None:
            return b"j" + json.dumps(_plain(value), sort_keys=True).encode()
        return _canonical(value)


def size(value: Any) -> int:
    """Return about how many bytes a value takes."""
    if isinstance(value, str | bytes):
        return len(value)
    return len(json.dumps(value)) if isinstance(value, dict | list) else 16


def digest(columns: Sequence[Column], row: Sequence[Any]) -> int:
    """Return a row's SHA-256 as a number."""
    hashed = hashlib.sha256()
    for column, value in zip(columns, row, strict=True):
        part = column.canonical(value)
        hashed.update(len(part).to_bytes(8, "big") + part)
    return int.from_bytes(hashed.digest(), "big")


def _canonical(value: Any) -> bytes:
    match value:
        case None:
            return b"-"
        case bool():
            return b"true" if value else b"false"
        case str():
            return b"s" + value.encode("utf-8", "surrogatepass")
        case bytes() | memoryview():
            return b"b" + bytes(value)
        case datetime() if value.tzinfo is not None:
            return value.astimezone(UTC).isoformat(timespec="microseconds").encode()
        case UUID():
            return value.bytes
        case Decimal():
            return b"d" + _number(value).encode()
        case _:
            return repr(value).encode()  # exact for integers, floats, dates and durations


def _plain(value: Any) -> Any:
    """Return a JSON value whose numbers are spelled in one way: PostgreSQL turns 1e16 into 10000000000000000."""
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    if isinstance(value, int | float) and not isinstance(value, bool):
        return {"number": _number(Decimal(repr(value)))}
    return value


def _number(value: Decimal) -> str:
    return format(DIGITS.normalize(value), "f") if value else "0"
