"""``aiops runs``: list, show, cancel."""

from __future__ import annotations

import shutil
from collections.abc import Sequence

from rich.markup import escape
from rich.table import Table

from aiops.terminal import listing
from aiops.terminal.acting import OK, complain, told
from aiops.terminal.client import CallFailed, Client
from aiops.terminal.listing import Row
from aiops.terminal.text import printable, step_name, when

NARROW = 75
"""Columns of a terminal that have no room for answers beside the facts."""
COLOURS = {"succeeded": "green", "failed": "red", "cancelled": "yellow", "running": "cyan", "queued": "dim"}


@told
def list_(client: Client, *, state: str | None, limit: int, as_json: bool) -> None:
    """Print the newest runs; plain lines when piped."""

    def plain(row: Row) -> tuple[object, ...]:
        return row["id"], row["state"], row["timings"]["queued"]

    listing.show(
        client.get("/api/runs/", state=state, limit=limit)["results"],
        as_json=as_json,
        plain=plain,
        table=_table,
        nothing='There are no runs yet: aiops chat "hello"',
    )


@told
def show(client: Client, run_id: str, *, as_json: bool) -> None:
    """Print one run."""
    run = client.get(f"/api/runs/{run_id}/")
    if as_json:
        listing.dump(run)
        return
    facts = {
        "run": run["id"],
        "conversation": run["conversation"],
        "state": run["state"],
        "model": run["model"] or "-",
        "asked": when(run["timings"]["queued"]),
        "took": _took(run),
    }
    for name, value in facts.items():
        print(f"{name:<13} {value}")
    if run["error"]:
        print(f"error         {run['error']['code']}: {printable(run['error']['detail'])}")
    for step in run["steps"]:
        print(f"step          {step_name(step)}  {step['status']}  {step['ms'] or 0:.0f} ms")
    for notice in run["notices"]:
        print(f"notice        {printable(notice['text'])}")
    print(f"\n{printable(run['answer'] or run['partial'] or '')}")


def cancel(client: Client, run_ids: Sequence[str]) -> int:
    """Stop runs, each with its own result."""
    code = OK
    for run_id in run_ids:
        try:
            print(run_id, client.post(f"/api/runs/{run_id}/cancel/")["state"], sep="\t")
        except CallFailed as failed:
            code = complain(failed)
    return code


def _table(rows: Sequence[Row]) -> Table:
    made = Table(box=None, pad_edge=False, expand=True)
    for name, width in {"run": 36, "state": 9, "asked": 11, "took": 7}.items():
        made.add_column(name, no_wrap=True, min_width=width, max_width=width)
    if shutil.get_terminal_size().columns > NARROW:
        made.add_column("answer", no_wrap=True, overflow="ellipsis", ratio=1)
    for row in rows:
        said = printable(" ".join((row["answer"] or row["partial"] or "").split())[:200])
        state = listing.coloured(row["state"], COLOURS)
        cells = [row["id"], state, when(row["timings"]["queued"]), _took(row), escape(said)]
        made.add_row(*cells[: len(made.columns)])
    return made


def _took(run: Row) -> str:
    ms = run["timings"]["ms"]["queued_to_finished"]
    return f"{ms / 1e3:.1f} s" if ms is not None else "-"
