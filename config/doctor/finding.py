"""What an examination finds."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """What was seen of one part."""

    part: str
    ok: bool
    seen: str
    cure: str = ""
    required: bool = True
