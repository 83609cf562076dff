"""The commands of the Procfile, and what of a command is the same wherever it is started."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

ROOT = Path(__file__).parents[2]
WHERE = ("-c", "-n", "--host", "--port", "--address")
"""Options that each place sets by itself: how many at once, the worker's name, and where to listen."""


def procfile() -> dict[str, list[str]]:
    """Return name of process → its words."""
    lines = (line.split(": ", 1) for line in (ROOT / "Procfile").read_text().splitlines() if line.strip())
    return {name: shlex.split(command) for name, command in lines}


def shape(words: Sequence[str]) -> list[str]:
    """Return a command without the folder of its program and without the values of ``WHERE``."""
    made = [Path(words[0]).name]
    for before, word in pairwise(words):
        name = word.partition("=")[0]
        made.append("*" if before in WHERE else f"{name}=*" if name in WHERE and "=" in word else word)
    return made


def worker_name(words: Sequence[str]) -> str:
    """Return the kind of a worker, as its name begins: ``runs`` of ``-n runs-1@%h``; empty for other processes."""
    found = re.match(r"[a-z]+", words[words.index("-n") + 1]) if "-n" in words else None
    return found[0] if found else ""
