"""Cost ratios of figures that two trees have measured in pairs: above 1, the new tree is dearer."""

from __future__ import annotations

import math
import re
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

COSTS = ("ms", "s", "MB", "kB", "% of a core")
RATES = ("turns/s", "a second")
HEADLINES = {
    "a": r"first message\.delta p50",
    "b": r"(20|100) clients",
    "d": r"until the last answer|most memory of all processes, PSS",
    "f": r"turn \d+, from its row to its end|stored memory",
    "j": r"memory of all processes, PSS|processor",
}
"""Which figures stand for a row, by name; in other rows all of them do."""


class Figure(NamedTuple):
    """What was measured; ``nth`` tells those of one name apart."""

    row: str
    what: str
    unit: str
    nth: int = 0

    @property
    def stands_for_its_row(self) -> bool:
        return bool(re.fullmatch(HEADLINES.get(self.row, ".*"), self.what))


@dataclass(frozen=True, slots=True)
class Pair:
    """What both trees measured, one right after the other."""

    new: Mapping[Figure, float]
    old: Mapping[Figure, float]


@dataclass(frozen=True, slots=True)
class Comparison:
    """One figure in both trees: medians, the cost ratio of the medians, and of each pair (None: not measured)."""

    figure: Figure
    new: float
    old: float
    ratio: float | None
    ratios: tuple[float | None, ...]


def figures(measured: Mapping[str, Any]) -> dict[Figure, float]:
    """Return the figures of a ``bench.json`` whose units say whether more is dearer."""
    found: dict[Figure, float] = {}
    for row in measured["rows"]:
        seen: Counter[tuple[str, str]] = Counter()
        for check in row["checks"]:
            name = (check["what"], check["unit"])
            if check["unit"] in (*COSTS, *RATES):
                found[Figure(row["letter"], *name, seen[name])] = check["figure"]
            seen[name] += 1
    return found


def cost_ratio(unit: str, *, new: float, old: float) -> float | None:
    """Return how many times dearer the new figure is; None where one of them is nothing."""
    if new <= 0 or old <= 0:
        return None
    return old / new if unit in RATES else new / old


def compare(pairs: Sequence[Pair]) -> list[Comparison]:
    """Compare each figure over the pairs in which both trees have it, in the order of the new tree."""
    known = dict.fromkeys(figure for pair in pairs for figure in pair.new if figure in pair.old)
    return [_compare(figure, pairs) for figure in known]


def _compare(figure: Figure, pairs: Sequence[Pair]) -> Comparison:
    both = [
        (pair.new[figure], pair.old[figure]) if figure in pair.new and figure in pair.old else None for pair in pairs
    ]
    measured = [values for values in both if values is not None]
    new, old = (statistics.median(side) for side in zip(*measured, strict=True))
    ratios = tuple(values and cost_ratio(figure.unit, new=values[0], old=values[1]) for values in both)
    return Comparison(figure, new, old, cost_ratio(figure.unit, new=new, old=old), ratios)


def headlines(comparisons: Sequence[Comparison]) -> dict[str, float]:
    """Return one cost ratio for each row: the geometric mean of those that stand for it."""
    by_row: dict[str, list[float]] = {}
    for one in comparisons:
        if one.figure.stands_for_its_row and one.ratio is not None:
            by_row.setdefault(one.figure.row, []).append(one.ratio)
    return {row: math.exp(statistics.fmean(map(math.log, ratios))) for row, ratios in by_row.items()}
