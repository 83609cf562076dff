"""Shows cost ratios as a table in the terminal, and as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.benchmarks.against.ratios import Comparison


def show(console: Console, comparisons: Sequence[Comparison], headlines: Mapping[str, float], *, old: str) -> None:
    """Print every figure, and one ratio for each row."""
    made = Table(title=f"cost ratio of this tree to {old}: above 1, this tree is dearer")
    for heading in ("row", "figure", "this tree", old, "ratio of medians", "of each pair"):
        made.add_column(heading, justify="right" if heading in ("this tree", old, "ratio of medians") else "left")
    for cells in lines(comparisons):
        made.add_row(*cells)
    console.print(made)
    console.print("* stands for its row")
    for row, ratio in headlines.items():
        console.print(f"row {row}: {ratio:.3f}")


def lines(comparisons: Sequence[Comparison]) -> list[tuple[str, ...]]:
    """Return the cells of each figure's line."""
    return [
        (
            one.figure.row,
            one.figure.what + (" *" if one.figure.stands_for_its_row else ""),
            f"{one.new:.4g} {one.figure.unit}",
            f"{one.old:.4g} {one.figure.unit}",
            _ratio(one.ratio),
            "  ".join(_ratio(ratio) for ratio in one.ratios),
        )
        for one in comparisons
    ]


def as_json(comparisons: Sequence[Comparison], headlines: Mapping[str, float], *, old: str) -> dict[str, Any]:
    figures = [{**asdict(one), "figure": one.figure._asdict()} for one in comparisons]
    return {"old": old, "rows": dict(headlines), "figures": figures}


def _ratio(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
