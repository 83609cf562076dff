"""Writes a tool's JSON result as readable Markdown: tables for lists of records, lines for the rest."""

from __future__ import annotations

import json
from typing import Any

MOST_ROWS = 25
UNITS = {"mb": "MB", "percent": "%", "ms": "ms", "mbit": "Mbit/s"}


def as_markdown(text: str) -> str:
    """Return the result as Markdown; what is no JSON is shown as it is, in a code block."""
    try:
        value = json.loads(text)
    except ValueError:
        return f"```text\n{text.replace('```', chr(0x2032) * 3)}\n```"
    return _block(value)


def _block(value: Any) -> str:
    if isinstance(value, dict):
        lines = [f"- **{_label(k)}**: {_inline(v)}" for k, v in value.items() if not _is_long(v)]
        blocks = [f"**{_label(k)}**\n\n{_block(v)}" for k, v in value.items() if _is_long(v)]
        return "\n\n".join(["\n".join(lines)] * bool(lines) + blocks)
    if isinstance(value, list):
        if value and all(isinstance(row, dict) for row in value):
            return _table(value)
        if value and all(isinstance(row, str) for row in value):
            return as_markdown("\n".join(value)) if len(value) > 1 else f"- {_inline(value[0])}"
        return "\n".join(f"- {_inline(v)}" for v in value) or "Nothing."
    return _inline(value)


def _table(rows: list[dict[str, Any]]) -> str:
    columns = list(rows[0])
    lines = [" | ".join(_label(c) for c in columns), " | ".join("---" for _ in columns)]
    lines += [" | ".join(_inline(row.get(c)) for c in columns) for row in rows[:MOST_ROWS]]
    more = f"\n\n{len(rows) - MOST_ROWS} more." if len(rows) > MOST_ROWS else ""
    return "\n".join(f"| {line} |" for line in lines) + more


def _is_long(value: Any) -> bool:
    return isinstance(value, dict) or (isinstance(value, list) and bool(value))


def _inline(value: Any) -> str:
    if value is None or value == "" or value == []:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:,.2f}".rstrip("0").rstrip(".")
    if isinstance(value, dict | list):
        value = json.dumps(value, ensure_ascii=False)
    return str(value).replace("|", "\\|").replace("\n", " ")


def _label(key: str) -> str:
    """Return a JSON name as words, its unit in brackets: memory_mb → Memory (MB)."""
    words, _, unit = str(key).rpartition("_")
    label = f"{words} ({UNITS[unit]})" if words and unit in UNITS else str(key)
    label = label.replace("_", " ")
    return label[:1].upper() + label[1:]
