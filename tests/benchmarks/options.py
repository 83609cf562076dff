"""What the command line asks of the rows: how much to measure, and the peers' figures of the same sitting."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.benchmarks.checks import Other


@dataclass(frozen=True, slots=True)
class Options:
    """``scale`` 1 is the whole measurement; a smaller one is for working on the benchmarks themselves."""

    scale: float = 1.0
    peers: dict[str, dict[str, Any]] = field(default_factory=dict)

    def some(self, count: int, *, least: int = 10) -> int:
        """Return a count at this scale."""
        return max(least, round(count * self.scale))

    def peer(self, figure: str, *, name: str = "", best: Any = None) -> Other | None:
        """Return a peer's figure: of the peer whose name begins so, or the ``best`` (max, min) of all."""
        found = [Other(n, float(v[figure])) for n, v in self.peers.items() if figure in v and n.startswith(name)]
        if not found:
            return None
        return best(found, key=lambda other: other.figure) if best else found[0]


def peers(path: str) -> dict[str, dict[str, Any]]:
    """Read the peers' figures, by name and version: see docs/benchmarks.md."""
    return json.loads(Path(path).read_text()) if path else {}
