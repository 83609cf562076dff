"""``aiops schedule``: have a prompt asked by the clock, and see what came of it."""

from __future__ import annotations

import json
import sys
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from aiops.terminal.acting import complain
from aiops.terminal.client import CallFailed, Client
from aiops.terminal.text import printable

OK = 0
COLOURS = {"active": "green", "paused": "yellow", "succeeded": "green", "failed": "red", "refused": "red"}
SHOWN = 10


def add(client: Client, asked: dict[str, Any]) -> int:
    """Make a schedule, and say when it is due."""
    try:
        made = client.post("/api/schedules/", asked)
    except CallFailed as failed:
        return complain(failed)
    print(made["id"])
    print(f"Next: {', '.join(map(_when, made['upcoming']))}", file=sys.stderr)
    return OK


def list_(client: Client, *, as_json: bool) -> int:
    """Print all schedules; plain lines when piped."""
    try:
        rows = client.get("/api/schedules/", limit=200)["results"]
    except CallFailed as failed:
        return complain(failed)
    if as_json:
        print(json.dumps(rows, indent=2, ensure_ascii=False))
    elif not sys.stdout.isatty():
        for row in rows:
            print(row["id"], row["state"], row["due_at"] or "-", printable(row["name"]), sep="\t")
    elif not rows:
        print('There are no schedules yet: aiops schedule add "any errors tonight?" --cron "0 7 * * *"')
    else:
        table = Table(box=None, pad_edge=False)
        for name in ("schedule", "state", "next", "asked", "name"):
            table.add_column(name, no_wrap=name != "name")
        for row in rows:
            state = f"[{COLOURS.get(row['state'], 'default')}]{row['state']}[/]"
            due = _when(row["due_at"]) if row["state"] == "active" else "-"
            table.add_row(row["id"], state, due, str(row["times"]), escape(printable(row["name"])))
        Console(highlight=False).print(table)
    return OK


def show(client: Client, schedule_id: str, *, as_json: bool) -> int:
    """Print one schedule and its last times."""
    path = f"/api/schedules/{schedule_id}/"
    try:
        row = client.get(path)
        firings = client.get(f"{path}firings/", limit=SHOWN)["results"]
    except CallFailed as failed:
        return complain(failed)
    if as_json:
        print(json.dumps({**row, "firings": firings}, indent=2, ensure_ascii=False))
        return OK
    print(f"schedule      {row['id']}")
    print(f"name          {printable(row['name'])}")
    print(f"state         {row['state']}" + (f": {printable(row['paused_because'])}" if row["paused_at"] else ""))
    print(
        f"asks          {row['items']} prompts as a batch" if row["items"] else f"asks          {_line(row['message'])}"
    )
    print(f"when          {_times(row)}")
    print(f"next          {', '.join(map(_when, row['upcoming'])) or '-'}")
    print(f"asked         {row['times']} times, {row['failures']} failed in a row")
    if row["conversation"]:
        print(f"answers       {client.url}/c/{row['conversation']}/")
    for firing in firings:
        came = firing["run"] or firing["batch"] or ""
        print(f"  {_when(firing['due_at'])}  {firing['outcome']:<10} {came}  {_line(firing['reason'])}".rstrip())
    return OK


def act(client: Client, schedule_id: str, what: str) -> int:
    """Run, pause or resume a schedule, and say what it is now."""
    try:
        said = client.post(f"/api/schedules/{schedule_id}/{what}/")
    except CallFailed as failed:
        return complain(failed)
    print(
        f"{schedule_id}\t{said.get('state') or said['outcome']}\t{said.get('run') or said.get('batch') or ''}".rstrip()
    )
    return OK


def _times(row: dict[str, Any]) -> str:
    if row["kind"] == "interval":
        return f"every {row['every_s']} s"
    return f"{row['cron']} ({row['timezone']})" if row["kind"] == "cron" else "once"


def _line(text: str) -> str:
    line = printable(" ".join(text.split()))
    return line if len(line) <= SHOWN * 8 else f"{line[: SHOWN * 8]}…"


def _when(text: str) -> str:
    return datetime.fromisoformat(text).astimezone().strftime("%Y-%m-%d %H:%M %Z")
