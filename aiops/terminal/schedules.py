"""``aiops schedule``: have a prompt asked by the clock, and see what came of it."""

from __future__ import annotations

import sys
from datetime import datetime
from typing import Any

from rich.markup import escape

from aiops.terminal import listing
from aiops.terminal.acting import told
from aiops.terminal.client import Client
from aiops.terminal.listing import Row
from aiops.terminal.text import printable

COLOURS = {"active": "green", "paused": "yellow", "succeeded": "green", "failed": "red", "refused": "red"}
SHOWN = 10
COLUMNS: dict[str, listing.Cell] = {
    "schedule": lambda row: row["id"],
    "state": lambda row: listing.coloured(row["state"], COLOURS),
    "next": lambda row: _when(row["due_at"]) if row["state"] == "active" else "-",
    "asked": lambda row: str(row["times"]),
    "name": lambda row: escape(printable(row["name"])),
}


@told
def add(client: Client, asked: dict[str, Any]) -> None:
    """Make a schedule, and say when it is due."""
    made = client.post("/api/schedules/", asked)
    print(made["id"])
    print(f"Next: {', '.join(map(_when, made['upcoming']))}", file=sys.stderr)


@told
def list_(client: Client, *, as_json: bool) -> None:
    """Print all schedules; plain lines when piped."""

    def plain(row: Row) -> tuple[object, ...]:
        return row["id"], row["state"], row["due_at"] or "-", printable(row["name"])

    listing.show(
        client.get("/api/schedules/", limit=200)["results"],
        as_json=as_json,
        plain=plain,
        table=lambda rows: listing.table(rows, COLUMNS, wrapping=("name",)),
        nothing='There are no schedules yet: aiops schedule add "any errors tonight?" --cron "0 7 * * *"',
    )


@told
def show(client: Client, schedule_id: str, *, as_json: bool) -> None:
    """Print one schedule and its last times."""
    path = f"/api/schedules/{schedule_id}/"
    row = client.get(path)
    firings = client.get(f"{path}firings/", limit=SHOWN)["results"]
    if as_json:
        listing.dump({**row, "firings": firings})
        return
    asks = f"{row['items']} prompts as a batch" if row["items"] else _line(row["message"])
    print(f"schedule      {row['id']}")
    print(f"name          {printable(row['name'])}")
    print(f"state         {row['state']}" + (f": {printable(row['paused_because'])}" if row["paused_at"] else ""))
    print(f"asks          {asks}")
    print(f"when          {_times(row)}")
    print(f"next          {', '.join(map(_when, row['upcoming'])) or '-'}")
    print(f"asked         {row['times']} times, {row['failures']} failed in a row")
    if row["conversation"]:
        print(f"answers       {client.url}/c/{row['conversation']}/")
    for firing in firings:
        came = firing["run"] or firing["batch"] or ""
        print(f"  {_when(firing['due_at'])}  {firing['outcome']:<10} {came}  {_line(firing['reason'])}".rstrip())


@told
def act(client: Client, schedule_id: str, what: str) -> None:
    """Run, pause or resume a schedule, and say what it is now."""
    said = client.post(f"/api/schedules/{schedule_id}/{what}/")
    came = said.get("run") or said.get("batch") or ""
    print(f"{schedule_id}\t{said.get('state') or said['outcome']}\t{came}".rstrip())


def _times(row: dict[str, Any]) -> str:
    if row["kind"] == "interval":
        return f"every {row['every_s']} s"
    return f"{row['cron']} ({row['timezone']})" if row["kind"] == "cron" else "once"


def _line(text: str) -> str:
    line = printable(" ".join(text.split()))
    return line if len(line) <= SHOWN * 8 else f"{line[: SHOWN * 8]}…"


def _when(text: str) -> str:
    return datetime.fromisoformat(text).astimezone().strftime("%Y-%m-%d %H:%M %Z")
