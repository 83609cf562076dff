"""Templates that build a prompt from a line's columns, such as ``Summarise {{log}}``; they only substitute."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from aiops.batches.reading.values import BadLine

COLUMN = re.compile(r"\{\{([^{}]*)\}\}")
"""Any text between the braces names a column."""
OPEN = "{{"


def problem(text: str) -> str:
    """Return what is wrong with a template; empty when it can be filled."""
    if any(not name for name in names(text)):
        return "Between {{ and }} there is no name of a column."
    if OPEN in COLUMN.sub("", text):
        return "A {{ has no }} behind it, or another brace in between."
    return "" if names(text) else "Name a column, such as {{host}}."


def names(text: str) -> list[str]:
    """Return the names of the columns that a template uses."""
    return [name.strip() for name in COLUMN.findall(text)]


def fill(text: str, row: Mapping[str, Any]) -> str:
    """Return the prompt of a row; raises BadLine for a column that the row lacks."""
    missing = sorted({name for name in names(text) if name not in row})
    if missing:
        raise BadLine(f"The line lacks columns that the template names: {', '.join(missing)}.")
    return COLUMN.sub(lambda found: _as_text(row[found[1].strip()]), text)


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
