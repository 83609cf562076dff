"""Shows rows as a table in the terminal and as Markdown."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table

HEADINGS = ("row", "what", "figure", "held against", "ratio", "target", "")
WORDS = {True: "met", False: "missed", None: ""}
STYLES = {True: "green", False: "red", None: ""}


def show(console: Console, measured: dict[str, Any]) -> None:
    table = Table(title="aiops benchmarks", show_lines=False)
    for heading in HEADINGS:
        table.add_column(heading, justify="right" if heading in ("figure", "ratio") else "left")
    for row in measured["rows"]:
        for cells, met in _lines(row):
            table.add_row(*cells[:-1], f"[{STYLES[met]}]{cells[-1]}[/]" if met is not None else cells[-1])
        table.add_section()
    console.print(table)
    for row in measured["rows"]:
        for check in row["checks"]:
            if check["note"]:
                console.print(f"({row['letter']}) {check['what']}: {check['note']}", style="dim")


def markdown(measured: dict[str, Any]) -> str:
    """Return the machine and the rows as two Markdown tables."""
    lines = [f"- {name}: {value}" for name, value in measured["machine"].items()]
    lines += ["", "| " + " | ".join(HEADINGS) + " |", "|---|---|---:|---|---:|---|---|"]
    lines += ["| " + " | ".join(cells) + " |" for row in measured["rows"] for cells, _ in _lines(row)]
    notes = [
        f"- ({row['letter']}) {check['what']}: {check['note']}"
        for row in measured["rows"]
        for check in row["checks"]
        if check["note"]
    ]
    return "\n".join([*lines, "", *notes])


def _lines(row: dict[str, Any]) -> list[tuple[tuple[str, ...], bool | None]]:
    """Return the cells of each check, and whether it met its target."""
    if row["error"]:
        return [((f"{row['letter']}", row["title"], "", row["error"], "", "", "not measured"), None)]
    lines = []
    for number, check in enumerate(row["checks"]):
        against = check["other_name"]
        if check["other"] is not None:
            against = f"{_figure(check['other'])} {check['unit']}, {against}"
        ratio = f"{check['ratio']:.2f}" if check["ratio"] is not None else ""
        cells = (
            row["letter"] if number == 0 else "",
            f"{row['title']}: {check['what']}" if number == 0 else check["what"],
            f"{_figure(check['figure'])} {check['unit']}",
            against,
            ratio,
            check["target"],
            WORDS[check["met"]],
        )
        lines.append((cells, check["met"]))
    return lines


def _figure(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.3g}"
