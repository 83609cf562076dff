"""Lists in a terminal: a table for people, tab-separated lines if piped, JSON with ``--json``."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

Row = dict[str, Any]
Cell = Callable[[Row], str]
"""Returns the text of one column of a row, as Rich markup."""


def dump(found: object) -> None:
    print(json.dumps(found, indent=2, ensure_ascii=False))


def show(
    rows: Sequence[Row],
    *,
    as_json: bool,
    plain: Callable[[Row], Sequence[object]],
    table: Callable[[Sequence[Row]], Table],
    nothing: str,
) -> None:
    """Print rows; ``nothing`` is shown to people if there are none."""
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
    """Return a table of these columns; only the ``wrapping`` ones may span several lines."""
    made = Table(box=None, pad_edge=False)
    for name in columns:
        made.add_column(name, no_wrap=name not in wrapping)
    for row in rows:
        made.add_row(*(cell(row) for cell in columns.values()))
    return made


def coloured(state: str, colours: Mapping[str, str]) -> str:
    return f"[{colours.get(state, 'default')}]{state}[/]"


def print_facts(facts: Mapping[str, object]) -> None:
    """Print the facts of one object, a line each; those that are None are left out."""
    for name, value in facts.items():
        if value is not None:
            print(f"{name:<13} {value}")
