"""Types of command-line values: each reports in one sentence what is wrong and what to write."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

import click

UNITS_S = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
T = TypeVar("T")


class Type(click.ParamType[T]):
    """A type whose values ``read`` converts; if it raises, ``problem`` follows the value in the message."""

    def __init__(self, name: str, read: Callable[[str], T], problem: str) -> None:
        self.name = name
        self._read = read
        self._problem = problem

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> T:
        try:
            return self._read(str(value).strip())
        except (ValueError, OverflowError):
            self.fail(f"{value!r} {self._problem}.", param, ctx)


def _seconds(text: str) -> int:
    found = re.fullmatch(r"(\d+)([smhd])", text)
    if found is None:
        raise ValueError(text)
    return int(found[1]) * UNITS_S[found[2]]


def _column(text: str) -> tuple[str, str]:
    use, equals, column = text.partition("=")
    if not equals or use not in ("custom_id", "model") or not column:
        raise ValueError(text)
    return use, column


COLUMN = Type("use=column", _column, "is not a use of a column: write custom_id=KEY or model=KEY")
"""How a column of a table is used: (custom_id or model, the column's name)."""
ID = Type("id", UUID, "is not an id: copy a whole one from a list")
SPAN = Type("span", _seconds, "is not a time span: write 90s, 15m, 6h or 1d")
"""A time span, in seconds."""
MOMENT = Type(
    "time",
    lambda text: datetime.fromisoformat(text).astimezone(),
    "is not a time: write 2027-01-31, 2027-01-31T07:00 (this machine's time) or 2027-01-31T07:00+01:00",
)
"""A day or a time in ISO 8601; without an offset, in this machine's time zone."""
