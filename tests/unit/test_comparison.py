"""Cost ratios of two trees: above 1 means that the new one is dearer, whichever way a figure's unit points."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from tests.benchmarks.against import table
from tests.benchmarks.against.__main__ import order
from tests.benchmarks.against.ratios import Comparison, Figure, Pair, compare, cost_ratio, figures, headlines

FIRST = Figure("a", "first message.delta p50", "ms")
WHOLE = Figure("a", "whole answer p50", "ms")
TWENTY, HUNDRED = Figure("b", "20 clients", "turns/s"), Figure("b", "100 clients", "turns/s")


@pytest.mark.parametrize("unit", ["ms", "s", "MB", "kB", "% of a core"])
def test_twice_the_time_memory_or_processor_is_twice_as_dear(unit: str) -> None:
    assert cost_ratio(unit, new=20, old=10) == 2


@pytest.mark.parametrize("unit", ["turns/s", "a second"])
def test_half_the_rate_is_twice_as_dear(unit: str) -> None:
    assert cost_ratio(unit, new=10, old=20) == 2


@pytest.mark.parametrize(("new", "old"), [(0, 1), (1, 0), (0, 0)])
def test_a_benchmark_figure_of_zero_has_no_ratio(new: float, old: float) -> None:
    assert cost_ratio("ms", new=new, old=old) is None


def check(what: str, figure: float, unit: str) -> dict[str, object]:
    return {"what": what, "figure": figure, "unit": unit}


def test_figures_without_a_direction_are_left_out_and_those_of_one_name_are_kept_apart() -> None:
    checks = [check("20 clients", 75, "turns/s"), check("20 clients", 76, "turns/s"), check("threads more", 0, "")]
    measured = {"rows": [{"letter": "c", "checks": checks, "error": ""}, {"letter": "d", "checks": [], "error": "x"}]}
    assert figures(measured) == {
        Figure("c", "20 clients", "turns/s", 0): 75,
        Figure("c", "20 clients", "turns/s", 1): 76,
    }


def test_the_ratio_is_that_of_the_medians_beside_those_of_the_pairs() -> None:
    pairs = [Pair({FIRST: new}, {FIRST: old}) for new, old in ((30, 10), (20, 20), (10, 40))]
    assert compare(pairs) == [Comparison(FIRST, 20, 20, 1.0, (3.0, 1.0, 0.25))]


def test_the_ratio_of_medians_of_a_rate_is_turned_round() -> None:
    pairs = [Pair({TWENTY: new}, {TWENTY: old}) for new, old in ((50, 100), (60, 90), (40, 80))]
    assert compare(pairs) == [Comparison(TWENTY, 50, 90, 1.8, (2.0, 1.5, 2.0))]


def test_a_figure_that_one_tree_lacks_in_a_pair_counts_where_both_have_it() -> None:
    pairs = [Pair({FIRST: 30, WHOLE: 5}, {FIRST: 10}), Pair({}, {FIRST: 10}), Pair({FIRST: 10}, {FIRST: 10})]
    assert compare(pairs) == [Comparison(FIRST, 20, 10, 2.0, (3.0, None, 1.0))]


def test_a_row_has_the_geometric_mean_of_the_figures_that_stand_for_it() -> None:
    processor = Figure("b", "20 clients, processor time of a turn", "ms")
    pair = Pair({TWENTY: 50, HUNDRED: 10, processor: 9, FIRST: 3}, {TWENTY: 100, HUNDRED: 80, processor: 1, FIRST: 2})
    assert headlines(compare([pair])) == {"b": pytest.approx(4), "a": pytest.approx(1.5)}


@pytest.mark.parametrize(
    ("row", "what", "stands"),
    [
        ("a", "whole answer p50", False),
        ("b", "20 clients, first message.delta p50", False),
        ("d", "until the last answer", True),
        ("d", "first message.delta p50", False),
        ("f", "turn 500, from its row to its end", True),
        ("f", "turn 70, from its row to its end", True),
        ("j", "processor", True),
        ("m", "ended, longest", True),
    ],
)
def test_named_figures_stand_for_their_row_and_in_other_rows_all_do(row: str, what: str, stands: bool) -> None:
    assert Figure(row, what, "ms").stands_for_its_row is stands


def test_trees_change_places_from_pair_to_pair() -> None:
    assert list(order(3)) == [("new", "old"), ("old", "new"), ("new", "old")]


def test_the_table_has_both_medians_the_ratio_of_each_pair_and_one_for_the_row() -> None:
    compared = compare([Pair({FIRST: 30, WHOLE: 4}, {FIRST: 10, WHOLE: 4}), Pair({FIRST: 10}, {FIRST: 10})])
    assert table.lines(compared) == [
        ("a", "first message.delta p50 *", "20 ms", "10 ms", "2.000", "3.000  1.000"),
        ("a", "whole answer p50", "4 ms", "4 ms", "1.000", "1.000  –"),
    ]
    console = Console(file=io.StringIO(), width=180)
    table.show(console, compared, headlines(compared), old="abc1234")
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert "abc1234" in shown
    assert "row a: 2.000" in shown
    assert table.as_json(compared, headlines(compared), old="abc1234")["rows"] == {"a": pytest.approx(2)}
