"""Templates that build a prompt from a line's columns, such as ``Summarise {{log}}``; they only substitute."""

from __future__ import annotations

import json
import re
from typing import Any

COLUMN = re.compile(r"\{\{\s*([\w.-]+)\s*\}\}")


class BadLine(Exception):
    """The line is invalid; the message says why."""


def fill(text: str, row: dict[str, Any]) -> str:
    """Return the prompt of a row; raises BadLine for a column that the row lacks."""
    missing = sorted({name for name in COLUMN.findall(text) if name not in row})
    if missing:
        raise BadLine(f"The line lacks columns that the template names: {', '.join(missing)}.")
    return COLUMN.sub(lambda found: _as_text(row[found[1]]), text)


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
