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

from aiops.runs.notices import says_tool_failed
from aiops.runs.states import State
from aiops.terminal import listing, live
from aiops.terminal.client import CallFailed, Client
from aiops.terminal.exit_codes import INTERRUPTED, OK, report_failure
from aiops.terminal.listing import Row
from aiops.terminal.options import client_options
from aiops.terminal.text import money, one_line, printable, span, step_name, when
from aiops.terminal.types import ID

COLUMNS = {
    "run": (36, 0),
    "state": (11, 0),
    "asked": (25, 113),
    "took": (6, 0),
    "source": (8, 125),
    "user": (12, 125),
    "model": (20, 160),
    "tokens": (7, 160),
    "cost": (10, 175),
    "prompt": (0, 75),
}
"""Of each column of the list: its width (0: the rest), and the width of the terminal from which it is shown."""


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
        plain=_cells,
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
        **_used(run["usage"] or {}),
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


def _used(usage: Row) -> dict[str, str]:
    """Return why this model answered, with what, and what that used."""
    if not usage:
        return {}
    cost = f", cost {usage['cost']}" if usage.get("cost") is not None else ""
    return {
        "because": printable(usage["reason"]),
        **({"prompt": printable(usage["prompt_version"])} if usage.get("prompt_version") else {}),
        **({"middleware": ", ".join(usage["chain"])} if usage.get("chain") else {}),
        "tokens": f"{usage['input_tokens']} in, {usage['output_tokens']} out{cost}",
    }


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
        case State.CANCELLED | State.WAITING_APPROVAL:
            return "yellow"
        case State.FAILED | State.EXPIRED:
            return "red"
        case _:
            assert_never(state)


COLOURS: dict[str, str] = {state: _colour(state) for state in State}


def _table(rows: Sequence[Row]) -> Table:
    columns = shutil.get_terminal_size().columns
    shown = [name for name, (_, from_columns) in COLUMNS.items() if columns >= from_columns]
    made = Table(box=None, pad_edge=False, expand=True)
    for name in shown:
        width = COLUMNS[name][0]
        if width:
            made.add_column(name, no_wrap=True, min_width=width, max_width=width, overflow="ellipsis")
        else:
            made.add_column(name, no_wrap=True, overflow="ellipsis", ratio=1)
    for row in rows:
        cells = dict(zip(COLUMNS, map(escape, _cells(row)), strict=True))
        failed = says_tool_failed(row["notices"]) and row["state"] == State.SUCCEEDED
        cells["state"] = "[yellow]tool failed[/]" if failed else listing.coloured(row["state"], COLOURS)
        made.add_row(*(cells[name] for name in shown))
    return made


def _cells(run: Row) -> list[str]:
    """Return what is shown of a run, in the order of ``COLUMNS``."""
    usage = run["usage"] or {}
    tokens = usage.get("input_tokens", 0) + usage.get("output_tokens", 0)
    says = run["prompt"] + (f" ({run['error']['detail']})" if run["error"] else "")
    says += " (a tool failed)" if says_tool_failed(run["notices"]) else ""
    facts = [run["id"], run["state"], when(run["timings"]["queued"]), _took(run), run["source"], run["user"]]
    spent = [run["model"] or "-", str(tokens or "-"), money(usage.get("cost"))]
    return [one_line(cell) for cell in [*facts, *spent, says]]


def _took(run: Row) -> str:
    ms = run["timings"]["ms"]["queued_to_finished"]
    return span(None if ms is None else ms / 1e3)
