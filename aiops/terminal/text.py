"""Text from the server as a terminal may show it."""

from __future__ import annotations

from datetime import datetime

TURNING = {chr(code) for code in (*range(0x202A, 0x202F), *range(0x2066, 0x206A))}
"""Characters that turn the direction of writing, and so can make a text look like another."""


def printable(text: str) -> str:
    """Return the text without control characters: an answer must not steer somebody's terminal."""
    return "".join(c for c in text if c in "\n\t" or ((c.isprintable() or ord(c) > 0x9F) and c not in TURNING))


def step_name(step: dict[str, str]) -> str:
    """Return how a tool call is called: server and tool, or the tool alone when no server has it."""
    return printable(" · ".join(part for part in (step["server"], step["tool"]) if part))


def when(text: str) -> str:
    """Return a time of the server, in ISO 8601, as this machine's day and minute."""
    return datetime.fromisoformat(text).astimezone().strftime("%m-%d %H:%M")
