"""``make bench-against REF=<commit>``: measures this tree and that commit in turns, and prints cost ratios."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from tests.benchmarks.against import ratios, table, trees
from tests.benchmarks.against.ratios import Pair
from tests.benchmarks.against.trees import CannotMeasure, Tree
from tests.benchmarks.stack import ROOT

ROWS = ("a", "b", "d", "f", "j")


def main(arguments: Sequence[str]) -> int:
    """Measure the pairs; the exit code is 1 when a row could not be measured, and 130 when it was interrupted."""
    asked = _parser().parse_intermixed_args(arguments)
    console = Console(width=None if sys.stdout.isatty() else 180, highlight=False)
    try:
        with trees.interruptible(), trees.workshop() as folder:
            console.print(f"installing {asked.ref} …", style="dim")
            with trees.worktree(asked.ref, folder) as old:
                pairs, problems = _measure(Tree("this tree", ROOT), old, asked, folder, console)
    except CannotMeasure as problem:
        console.print(f"bench-against: {problem}", style="red", markup=False)
        return 1
    except KeyboardInterrupt:
        console.print("bench-against: interrupted; nothing is left of it.", style="red")
        return 130
    comparisons = ratios.compare(pairs)
    headlines = ratios.headlines(comparisons)
    table.show(console, comparisons, headlines, old=old.name)
    problems += [f"row {row}: no figure that both trees measured" for row in asked.rows if row not in headlines]
    for problem in problems:
        console.print(f"not measured: {problem}", style="red", markup=False)
    Path(asked.json).write_text(json.dumps(table.as_json(comparisons, headlines, old=old.name), indent=1) + "\n")
    return int(bool(problems))


def order(pairs: int) -> Iterator[tuple[str, str]]:
    """Yield which tree is measured first and which second: they change places from pair to pair."""
    for number in range(pairs):
        yield ("new", "old") if number % 2 == 0 else ("old", "new")


def _measure(
    new: Tree, old: Tree, asked: argparse.Namespace, folder: Path, console: Console
) -> tuple[list[Pair], list[str]]:
    """Return the pairs, and what could not be measured."""
    pairs, problems = [], []
    scale = [] if asked.scale == 1 else ["--scale", str(asked.scale)]
    for number, sides in enumerate(order(asked.pairs), 1):
        measured: dict[str, dict[Any, float]] = {}
        for side in sides:
            tree, begun = {"new": new, "old": old}[side], time.monotonic()
            console.print(f"pair {number} of {asked.pairs}: {tree.name} … ", style="dim", end="")
            figures, errors = _figures(tree, [*asked.rows, *scale], folder)
            measured[side] = figures
            problems += [f"pair {number}, {tree.name}: {error}" for error in errors]
            console.print(f"{time.monotonic() - begun:.0f} s", style="dim")
        pairs.append(Pair(**measured))
    return pairs, problems


def _figures(tree: Tree, arguments: Sequence[str], folder: Path) -> tuple[dict[ratios.Figure, float], list[str]]:
    try:
        measured = trees.measure(tree, arguments, folder)
    except CannotMeasure as problem:
        return {}, [str(problem)]
    return ratios.figures(measured), [f"row {r['letter']}: {r['error']}" for r in measured["rows"] if r["error"]]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make bench-against", description=__doc__)
    parser.add_argument("ref", metavar="REF", help="the commit to compare this tree with")
    parser.add_argument("rows", nargs="*", default=ROWS, metavar="ROW", help=f"default: {' '.join(ROWS)}")
    parser.add_argument("--pairs", type=int, default=5, help="how often each tree is measured")
    parser.add_argument("--scale", type=float, default=1.0, help="less than 1 measures less, for a quick look")
    parser.add_argument("--json", default="bench-against.json", help="where the figures and ratios go")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
