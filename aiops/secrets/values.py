"""A secret as a frozen value: where it is, not what it is."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class SecretSpec:
    """One row; two with the same values resolve to the same text."""

    name: str
    kind: str
    reference: str = ""
    encrypted: str = field(default="", repr=False)
