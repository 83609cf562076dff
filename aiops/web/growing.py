"""Growing answers: which part of an incomplete Markdown text can be rendered without looking wrong."""

from __future__ import annotations

import re
from dataclasses import dataclass

FENCE = re.compile(r"^[ \t>]*(?:[-*+] +)?(?:```|~~~)", re.MULTILINE)
UNDECIDED = re.compile(r"[ \t>]*(?:[-=*_~`#+|: \t]*|\d{1,9}[.)]?[ \t]*|\[[^\]\n]*(?:\](?::.*)?)?)$")
"""A last line that may become a list, heading, rule, fence, table or reference, or turn the line before into one."""
OPENING = re.compile(r"(?:(?<=\s)|(?<=^))[*_~`]+$")
"""Marks before a word that has not arrived yet."""
DELIMITERS = re.compile(r"[-:|> \t]*$")
"""A possible second row of a table, which turns the first one into its head."""


@dataclass(frozen=True, slots=True)
class Growing:
    """The text to render now, the text to hold back, and whether plain words would continue the last block."""

    text: str
    unrendered: str
    continues: bool


def split(text: str) -> Growing:
    """Split off the part that can be rendered, and close the marks that are open at its end."""
    if len(FENCE.findall(text)) % 2:
        return _in_fence(text)
    decided = OPENING.sub("", text[: _undecided_from(text)])
    held = text[len(decided) :]
    closed = _close(decided)
    plain = not held and closed == decided and not decided.endswith("\n") and "|" not in _last_line(decided)
    return Growing(closed, held, plain)


def _in_fence(text: str) -> Growing:
    line = _last_line(text)
    held = line if line and not line.strip(" \t`~") else ""  # it may be the fence's end
    if held and FENCE.match(held) and len(FENCE.findall(text[: len(text) - len(held)])) % 2 == 0:
        held = ""  # it is the fence's beginning
    return Growing(text[: len(text) - len(held)], held, continues=False)


def _undecided_from(text: str) -> int:
    line_at = len(text) - len(_last_line(text))
    rows_at, rows = line_at, 0
    lines = text.splitlines(keepends=True)
    for line in reversed(lines):
        if not line.lstrip(" \t>").startswith("|"):
            break
        rows += 1
        rows_at -= len(line) if line.endswith("\n") else 0
    if rows == 1 or (rows == 2 and not text.endswith("\n") and DELIMITERS.match(lines[-1])):
        return rows_at
    return line_at if UNDECIDED.match(text, line_at) else len(text)


def _close(text: str) -> str:
    line = _last_line(text)
    if line.count("`") % 2:
        return f"{text}`"
    if line.count("**") % 2:
        return text.rstrip(" *") + "**"
    return text


def _last_line(text: str) -> str:
    return text[text.rfind("\n") + 1 :]
