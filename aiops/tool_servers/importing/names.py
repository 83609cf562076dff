"""Maps the names that other clients allow ("GitHub", "my_server", "@scope/server") to names of tool servers."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from itertools import count

MAX_CHARACTERS = 31
NAMELESS = "server"
RESERVED = ("host",)
"""Our own server about the machine."""


def mapped(was: str) -> str:
    """Return the name of a tool server for any text: lower case ASCII letters, digits and dashes."""
    parts = [part for part in (_plain(part) for part in was.split("/")) if part]
    name = parts[-1] if parts else ""  # of "@scope/server" or "github.com/owner/server", what names the server
    if name and not name[0].isalpha():
        name = f"{NAMELESS}-{name}"
    return name[:MAX_CHARACTERS].rstrip("-") or NAMELESS


def candidates(name: str) -> Iterator[str]:
    """Yield the names that a server of this name may get: itself, then numbered ones (``github-2``)."""
    for number in count(1):
        ending = f"-{number}" if number > 1 else ""
        yield name[: MAX_CHARACTERS - len(ending)].rstrip("-") + ending


def _plain(text: str) -> str:
    letters = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", letters).strip("-")
