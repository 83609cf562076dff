"""How two texts differ, as pages show it."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

KINDS = {"+": "added", "-": "removed", "@": "place"}


def marked(before: Sequence[str], after: Sequence[str]) -> list[tuple[str, str]]:
    """Return the lines of a unified diff, each with its kind: added, removed, place or same."""
    lines = difflib.unified_diff(before, after, lineterm="", n=2)
    return [(KINDS.get(line[:1], "same"), line) for line in list(lines)[2:]]
