"""The alert rules and the run-book, as the package holds them."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent
HEADING = re.compile(r"^## (\w+)$\n", re.MULTILINE)
LINK = "runbook_url: /"
"""How each rule's link begins in the file: without the address of the server, which only its settings know."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What to do about one alert, as Markdown."""

    alert: str
    text: str

    @property
    def anchor(self) -> str:
        """Its anchor on the page."""
        return self.alert.lower()


def rules(*, public_url: str) -> str:
    """Return the rules for Prometheus, with links to the run-book at ``public_url``."""
    text = (FOLDER / "alerts.yml").read_text(encoding="utf-8")
    return text.replace(LINK, f"{LINK.removesuffix('/')}{public_url.rstrip('/')}/")


@functools.cache
def entries() -> tuple[str, list[Entry]]:
    """Return the introduction, and the entries in their order."""
    introduction, *rest = HEADING.split((FOLDER / "runbook.md").read_text(encoding="utf-8"))
    return introduction, [Entry(alert, text) for alert, text in zip(rest[::2], rest[1::2], strict=True)]
