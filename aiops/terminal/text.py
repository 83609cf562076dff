"""Text that a terminal can show safely, whatever its encoding and whatever the server sent."""

from __future__ import annotations

import codecs
import io
import os
import unicodedata
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TextIO

BIDI = {chr(code) for code in (*range(0x202A, 0x202F), *range(0x2066, 0x206A))}
"""Characters that change the writing direction, and so can make a text look like another one."""
PLAIN = {"→": "->", "·": "-", "…": "...", "✓": "ok", "✗": "x", "›": ">", "–": "-", "—": "-", "’": "'"}
"""Replacements where a terminal's encoding lacks the character."""


def use_utf8(*streams: TextIO) -> None:
    """Write UTF-8 in the C and POSIX locales; in other encodings, replace characters that they lack."""
    for stream in streams:
        if not isinstance(stream, io.TextIOWrapper):
            continue
        if codecs.lookup(stream.encoding).name == "ascii":
            stream.reconfigure(encoding="utf-8", errors="surrogateescape")
        elif codecs.lookup(stream.encoding).name != "utf-8":
            stream.reconfigure(errors="aiops.plain")


def written(argument: str) -> str:
    """Decode a command-line argument as UTF-8, whatever the locale says."""
    return os.fsencode(argument).decode(errors="replace")


def _plain(error: UnicodeError) -> tuple[str, int]:
    """Replace characters that cannot be encoded: from ``PLAIN``, without accents, or by a question mark."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end]
    return "".join(PLAIN.get(one) or _letter(one) for one in text), error.end


def _letter(character: str) -> str:
    return unicodedata.normalize("NFKD", character).encode("ascii", "ignore").decode() or "?"


codecs.register_error("aiops.plain", _plain)


def printable(text: str) -> str:
    """Remove control characters, with which an answer could manipulate the terminal."""
    return "".join(c for c in text if c in "\n\t" or ((c.isprintable() or ord(c) > 0x9F) and c not in BIDI))


def one_line(text: str) -> str:
    """Return a text as ``printable``, in one line."""
    return " ".join(printable(text).split())


def money(amount: str | Decimal | None, currency: str = "") -> str:
    """Return an amount without trailing zeros: "0.0125 EUR"; – for none."""
    if amount is None or amount == "":  # a template's word for what is not there
        return "–"
    exact = Decimal(amount).normalize()
    return f"{exact:f} {currency}".strip()


def step_name(step: dict[str, str]) -> str:
    """Return the name of a tool call: server and tool, or the tool alone if it belongs to no server."""
    return printable(" · ".join(part for part in (step["server"], step["tool"]) if part))


def when(text: str) -> str:
    """Format an ISO 8601 time in this machine's time zone, to the minute: "2026-11-25 20:11 UTC+1"."""
    at = datetime.fromisoformat(text).astimezone()
    minutes = int((at.utcoffset() or timedelta()).total_seconds() // 60)
    hours, rest = divmod(abs(minutes), 60)
    offset = f"{'-' if minutes < 0 else '+'}{hours}{f':{rest:02}' if rest else ''}" if minutes else ""
    return f"{at:%Y-%m-%d %H:%M} UTC{offset}"


UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"))
"""Durations from twice this many seconds on are shown in this unit."""


def span(seconds: float | None) -> str:
    """Format a duration: "0.4 s", "3 s", "4 min", "5 h", "2 d"; "-" for None."""
    if seconds is None:
        return "-"
    for size, unit in UNITS:
        if seconds >= 2 * size:
            return f"{round(seconds / size)} {unit}"
    return f"{seconds:.1f} s" if seconds < 9.95 and round(seconds, 1) % 1 else f"{round(seconds)} s"
