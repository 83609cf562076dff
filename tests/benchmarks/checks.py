"""What a measurement says: a figure, what it is held against, and whether the target was met."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Check:
    """One figure of a row; ``met`` is None when there is no target or nothing to compare with."""

    what: str
    figure: float
    unit: str
    target: str = ""
    other: float | None = None
    other_name: str = ""
    met: bool | None = None
    note: str = ""

    @property
    def ratio(self) -> float | None:
        return self.figure / self.other if self.other else None

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "figure": _rounded(self.figure), "ratio": _rounded(self.ratio)}


@dataclass(frozen=True, slots=True)
class Other:
    """What a figure is divided by."""

    name: str
    figure: float


def reported(what: str, figure: float, unit: str, *, note: str = "") -> Check:
    """Return a figure without a target."""
    return Check(what, figure, unit, note=note)


def at_most(what: str, figure: float, unit: str, limit: float, *, note: str = "") -> Check:
    return Check(what, figure, unit, f"≤ {limit:g} {unit}".strip(), met=figure <= limit, note=note)


def at_most_times(what: str, figure: float, unit: str, limit: float, other: Other | None, *, note: str = "") -> Check:
    """Return a figure that may be at most ``limit`` times another one."""
    return _compared(Check(what, figure, unit, f"≤ {limit:g} ×", note=note), other, lambda ratio: ratio <= limit)


def at_least_times(what: str, figure: float, unit: str, limit: float, other: Other | None, *, note: str = "") -> Check:
    """Return a figure that must be at least ``limit`` times another one."""
    return _compared(Check(what, figure, unit, f"≥ {limit:g} ×", note=note), other, lambda ratio: ratio >= limit)


def _compared(check: Check, other: Other | None, fits: Any) -> Check:
    plain = (check.what, check.figure, check.unit, check.target)
    if other is None:
        return Check(*plain, other_name="no peer measured", note=check.note)
    return Check(*plain, other.figure, other.name, fits(check.figure / other.figure), check.note)


def _rounded(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.4g}")
