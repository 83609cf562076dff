"""Formats a tool's JSON result as Markdown: tables for lists of records, bullet points for the rest."""

from __future__ import annotations

import json
from typing import Any

MAX_ROWS, MANY_MB = 25, 10_000
UNITS = {"percent": "%", "ms": "ms", "mbit": "Mbit/s"}


def as_markdown(text: str) -> str:
    """Return the result as Markdown; text that is not JSON goes into a code block."""
    try:
        return _block(json.loads(text))
    except ValueError:
        return f"```text\n{text.replace('```', chr(0x2032) * 3)}\n```"


def _block(value: Any) -> str:
    if isinstance(value, dict):
        long = {k: v for k, v in value.items() if v and isinstance(v, dict | list)}
        short = [f"- **{_label(k)}**: {_inline(v, k)}" for k, v in value.items() if k not in long]
        return "\n\n".join(["\n".join(short), *(f"**{_label(k)}**\n\n{_block(v)}" for k, v in long.items())]).strip()
    if isinstance(value, list) and value and all(isinstance(row, dict) for row in value):
        lines = [list(map(_label, value[0])), ["---:"[: 3 + isinstance(v, int | float)] for v in value[0].values()]]
        lines += [[_inline(row.get(column), column) for column in value[0]] for row in value[:MAX_ROWS]]
        more = [f"\n{len(value) - MAX_ROWS} more."] if len(value) > MAX_ROWS else []
        return "\n".join([f"| {' | '.join(line)} |" for line in lines] + more)
    if isinstance(value, list) and len(value) > 1 and all(isinstance(line, str) for line in value):
        return as_markdown("\n".join(value))
    return "\n".join(f"- {_inline(v)}" for v in value) if isinstance(value, list) else _inline(value)


def _inline(value: Any, key: str = "") -> str:
    if isinstance(value, bool) or value in (None, "", [], {}):
        return "yes" if value is True else "no" if value is False else "none"
    if key.endswith("_mb") and isinstance(value, int | float):
        return f"{value / 1_000:,.1f} GB" if value >= MANY_MB else f"{_inline(value)} MB"
    if isinstance(value, float):
        value = f"{value:,.2f}".rstrip("0").rstrip(".")
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text.replace("|", "\\|").replace("\n", " ")


def _label(key: str) -> str:
    words, _, unit = key.rpartition("_")  # cpu_percent → Cpu (%); a cell of memory_mb has its unit
    label = (words if unit == "mb" else f"{words} ({UNITS[unit]})" if unit in UNITS else key).replace("_", " ")
    return label[:1].upper() + label[1:]
