"""Rows in a terminal: a table for people, plain lines when piped, JSON when asked."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

Row = dict[str, Any]
Cell = Callable[[Row], str]
"""Gives what a row shows in one column, as Rich's markup."""


def dump(found: object) -> None:
    """Print as JSON."""
    print(json.dumps(found, indent=2, ensure_ascii=False))


def show(
    rows: Sequence[Row],
    *,
    as_json: bool,
    plain: Callable[[Row], Sequence[object]],
    table: Callable[[Sequence[Row]], Table],
    nothing: str,
) -> None:
    """Print rows; people who have none read what to do."""
    if as_json:
        dump(rows)
    elif not sys.stdout.isatty():
        for row in rows:
            print(*plain(row), sep="\t")
    elif not rows:
        print(nothing)
    else:
        Console(highlight=False).print(table(rows))


def table(rows: Sequence[Row], columns: Mapping[str, Cell], *, wrapping: Collection[str] = ()) -> Table:
    """Return a table of these columns; those not named as wrapping keep to one line."""
    made = Table(box=None, pad_edge=False)
    for name in columns:
        made.add_column(name, no_wrap=name not in wrapping)
    for row in rows:
        made.add_row(*(cell(row) for cell in columns.values()))
    return made


def coloured(state: str, colours: Mapping[str, str]) -> str:
    """Return a state in its colour."""
    return f"[{colours.get(state, 'default')}]{state}[/]"
