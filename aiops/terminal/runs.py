"""``aiops runs``: list, show, cancel."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from aiops.terminal.acting import complain
from aiops.terminal.client import CallFailed, Client
from aiops.terminal.text import printable, step_name

OK = 0
NARROW = 75
"""Columns of a terminal that have no room for answers beside the facts."""
COLOURS = {"succeeded": "green", "failed": "red", "cancelled": "yellow", "running": "cyan", "queued": "dim"}


def list_(client: Client, *, state: str | None, limit: int, as_json: bool) -> int:
    """Print the newest runs; plain lines when piped."""
    try:
        rows = client.get("/api/runs/", state=state, limit=limit)["results"]
    except CallFailed as failed:
        return complain(failed)
    if as_json:
        print(json.dumps(rows, indent=2, ensure_ascii=False))
        return OK
    if not sys.stdout.isatty():
        for row in rows:
            print(row["id"], row["state"], row["timings"]["queued"], sep="\t")
        return OK
    if not rows:
        print('There are no runs yet: aiops chat "hello"')
        return OK
    console = Console(highlight=False)
    table = Table(box=None, pad_edge=False, expand=True)
    for name, width in {"run": 36, "state": 9, "asked": 11, "took": 7}.items():
        table.add_column(name, no_wrap=True, min_width=width, max_width=width)
    if console.width > NARROW:
        table.add_column("answer", no_wrap=True, overflow="ellipsis", ratio=1)
    for row in rows:
        state_ = f"[{COLOURS[row['state']]}]{row['state']}[/]"
        said = " ".join((row["answer"] or row["partial"] or "").split())
        cells = [row["id"], state_, _when(row["timings"]["queued"]), _took(row), escape(printable(said[:200]))]
        table.add_row(*cells[: len(table.columns)])
    console.print(table)
    return OK


def show(client: Client, run_id: str, *, as_json: bool) -> int:
    """Print one run."""
    try:
        run = client.get(f"/api/runs/{run_id}/")
    except CallFailed as failed:
        return complain(failed)
    if as_json:
        print(json.dumps(run, indent=2, ensure_ascii=False))
        return OK
    facts = {
        "run": run["id"],
        "conversation": run["conversation"],
        "state": run["state"],
        "model": run["model"] or "-",
        "asked": _when(run["timings"]["queued"]),
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
    return OK


def cancel(client: Client, run_ids: Sequence[str]) -> int:
    """Stop runs, each with its own result."""
    code = OK
    for run_id in run_ids:
        try:
            print(run_id, client.post(f"/api/runs/{run_id}/cancel/")["state"], sep="\t")
        except CallFailed as failed:
            code = complain(failed)
    return code


def _when(text: str) -> str:
    return datetime.fromisoformat(text).astimezone().strftime("%m-%d %H:%M")


def _took(run: dict[str, Any]) -> str:
    ms = run["timings"]["ms"]["queued_to_finished"]
    return f"{ms / 1e3:.1f} s" if ms is not None else "-"
