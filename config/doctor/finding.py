"""The result of one check."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check saw of one part, and the cure if it is not ok."""

    part: str
    ok: bool
    seen: str
    cure: str = ""
    required: bool = True
