"""One wire case: what a provider's server sends, and what comes of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tests.integration.wire.raw_server import Reply


@dataclass(frozen=True)
class Case:
    """A provider's replies, and what a reader and the agent get."""

    name: str
    provider: str
    replies: tuple[Reply, ...]
    text: str = ""
    thought: str = ""
    made: list[tuple[str, Any]] = field(default_factory=list)
    results: tuple[str, ...] = ()
    """Words of the results that the model gets for calls that are not made."""
    notices: tuple[str, ...] = ()
    error: str = ""
    words: str = ""
    """Words of the error."""
    usage: tuple[int, int] | None = None
