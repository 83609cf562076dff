"""Text from the server as a terminal may show it."""

from __future__ import annotations


def printable(text: str) -> str:
    """Return the text without control characters: an answer must not steer somebody's terminal."""
    return "".join(c for c in text if c in "\n\t" or (c.isprintable() or ord(c) > 0x9F))


def step_name(step: dict[str, str]) -> str:
    """Return how a tool call is called: server and tool, or the tool alone when no server has it."""
    return printable(" · ".join(part for part in (step["server"], step["tool"]) if part))
