"""``aiops runs``: list, show, follow and cancel runs."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from typing import assert_never
from uuid import UUID

import click
from rich.markup import escape
from rich.table import Table

from aiops.runs.states import State
from aiops.terminal import listing, live
from aiops.terminal.client import CallFailed, Client
from aiops.terminal.exit_codes import INTERRUPTED, OK, report_failure
from aiops.terminal.listing import Row
from aiops.terminal.options import client_options
from aiops.terminal.text import printable, step_name, when
from aiops.terminal.types import ID

NARROW = 75
"""Terminals of at most this many columns show no answers in the list."""


@click.group()
def runs() -> None:
    """List, show, follow and cancel runs."""


@runs.command("list")
@click.option("--state", type=click.Choice([state.value for state in State]))
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 200))
@click.option("--json", "as_json", is_flag=True)
@client_options
def list_runs(client: Client, state: str | None, limit: int, as_json: bool) -> None:
    """List your runs, newest first."""
    listing.show(
        client.get("/api/runs/", state=state, limit=limit)["results"],
        as_json=as_json,
        plain=lambda run: (run["id"], run["state"], run["timings"]["queued"]),
        table=_table,
        nothing='There are no runs yet: aiops chat "hello"',
    )


@runs.command("show")
@click.argument("run_id", type=ID)
@click.option("--json", "as_json", is_flag=True)
@client_options
def show_run(client: Client, run_id: UUID, as_json: bool) -> None:
    """Show one run: its state, steps, answer and timings."""
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


@runs.command("follow")
@click.argument("run_id", type=ID)
@client_options
def follow_run(client: Client, run_id: UUID) -> int:
    """Follow a run from its first event to its last; Ctrl-C leaves it running."""
    try:
        return live.watch(client, str(run_id))
    except KeyboardInterrupt:
        print(f"\nThe run continues: aiops runs follow {run_id}", file=sys.stderr)
        return INTERRUPTED


@runs.command("cancel")
@click.argument("run_ids", nargs=-1, required=True, type=ID)
@client_options
def cancel_runs(client: Client, run_ids: tuple[UUID, ...]) -> int:
    """Stop runs."""
    code = OK
    for run_id in run_ids:  # each has its own result: one that has ended must not prevent the others
        try:
            print(run_id, client.post(f"/api/runs/{run_id}/cancel/")["state"], sep="\t")
        except CallFailed as failed:
            code = report_failure(failed)
    return code


def _colour(state: State) -> str:
    match state:
        case State.QUEUED:
            return "dim"
        case State.RUNNING:
            return "cyan"
        case State.SUCCEEDED:
            return "green"
        case State.CANCELLED:
            return "yellow"
        case State.FAILED | State.EXPIRED:
            return "red"
        case _:
            assert_never(state)


COLOURS: dict[str, str] = {state: _colour(state) for state in State}


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
