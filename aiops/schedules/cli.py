"""``aiops schedule``: schedule prompts and batches, and show their outcomes."""

from __future__ import annotations

import json
import sys
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import click
from rich.markup import escape

from aiops.terminal import listing
from aiops.terminal.client import Client
from aiops.terminal.listing import Row
from aiops.terminal.options import action, client_options, deletion, request_from
from aiops.terminal.text import printable, when, written
from aiops.terminal.types import ID, MOMENT, SPAN

PATH = "/api/schedules/"
COLOURS = {"active": "green", "paused": "yellow", "succeeded": "green", "failed": "red", "refused": "red"}
SHOWN = 10
COLUMNS: dict[str, listing.Cell] = {
    "schedule": lambda row: row["id"],
    "state": lambda row: listing.coloured(row["state"], COLOURS),
    "next": lambda row: when(row["due_at"]) if row["state"] == "active" else "-",
    "on schedule": lambda row: str(row["times"]),
    "name": lambda row: escape(printable(row["name"])),
}


@click.group()
def schedule() -> None:
    """Schedule prompts and batches, and show their outcomes."""


def _request(
    prompt: str | None,
    batch: Path | None,
    name: str | None,
    every: int | None,
    at: datetime | None,
    catch_up: bool,
    jitter: int | None,
    allow_changes: bool,
    notify: str | None,
    **same: Any,
) -> dict[str, Any]:
    """Return the request of ``add``; ``same`` are options with the names of the API. Raises UsageError."""
    if (prompt is None) == (batch is None):
        raise click.UsageError("Give either PROMPT or --batch.")
    if sum(one is not None for one in (every, same["cron"], at)) != 1:
        raise click.UsageError("Say when: give one of --every 6h, --cron '0 7 * * 1-5' and --at 2027-01-31T07:00.")
    request: dict[str, Any] = {
        **same,
        "name": written(name or (prompt or str(batch and batch.name)))[:60],
        "message": prompt and written(prompt),
        "every_s": every,
        "at": at.isoformat() if at else None,
        "jitter_s": jitter,
        "catch_up": "once" if catch_up else None,
        "allow_changes": allow_changes or None,
        "notify": _notify(notify) if notify else None,
    }
    if batch is not None:
        request["file"] = batch
    return {key: value for key, value in request.items() if value is not None}


def _notify(text: str) -> dict[str, str]:
    """Return the field of ``--notify``; the server knows which there are."""
    by, _, url = text.partition("=")
    return {"by": by, "url": url} if url else {"by": by}


@schedule.command("add")
@click.argument("prompt", required=False)
@click.option(
    "--batch",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Run the prompts of this file (.jsonl, .json or .csv) as a batch each time, instead of PROMPT.",
)
@click.option("--name", help="A name for it  [default: the start of the prompt]")
@click.option("--every", type=SPAN, help="Such as 15m, 6h, 1d.")
@click.option("--cron", help="Such as '0 7 * * 1-5'.")
@click.option("--timezone", help="Of --cron, such as Europe/Berlin  [default: UTC]")
@click.option("--at", type=MOMENT, help="Once, such as 2027-01-31T07:00, in this machine's time or with +01:00.")
@click.option("--overlap", type=click.Choice(["skip", "queue", "replace"]), help="If the previous run is unfinished.")
@click.option("--catch-up", is_flag=True, help="Run once for all times that were missed.")
@click.option("--jitter", type=SPAN, help="Start up to this much later, at random.")
@click.option("--max-times", type=click.IntRange(1), help="Stop after this many times.")
@click.option("--webhook", help="POST the end of each run to this address.")
@click.option(
    "--notify",
    metavar="HOW",
    help="Hear that it failed or was paused: mail, or webhook=URL, slack=URL or ntfy=URL.",
)
@click.option("--model", help="Use this model instead of the default.")
@click.option("--allow-changes", is_flag=True, help="Allow tools that can change something.")
@request_from(_request)
@client_options
def add_schedule(client: Client, request: dict[str, Any]) -> None:
    """Schedule PROMPT; print the schedule's id."""
    file = request.pop("file", None)
    made = client.post(PATH, request) if file is None else client.upload(PATH, file, options=json.dumps(request))
    print(made["id"])
    print(f"Next: {', '.join(map(when, made['upcoming']))}", file=sys.stderr)


@schedule.command("list")
@click.option("--json", "as_json", is_flag=True)
@client_options
def list_schedules(client: Client, as_json: bool) -> None:
    """List your schedules and when each is due."""
    listing.show(
        client.get(PATH, limit=200)["results"],
        as_json=as_json,
        plain=lambda row: (row["id"], row["state"], row["due_at"] or "-", printable(row["name"])),
        table=lambda rows: listing.table(rows, COLUMNS, wrapping=("name",)),
        nothing='There are no schedules yet: aiops schedule add "any errors tonight?" --cron "0 7 * * *"',
    )


@schedule.command("show")
@click.argument("schedule_id", type=ID)
@click.option("--json", "as_json", is_flag=True)
@client_options
def show_schedule(client: Client, schedule_id: UUID, as_json: bool) -> None:
    """Show one schedule, its next times and its last outcomes."""
    path = f"{PATH}{schedule_id}/"
    row = client.get(path)
    firings = client.get(f"{path}firings/", limit=SHOWN)["results"]
    if as_json:
        listing.dump({**row, "firings": firings})
        return
    listing.print_facts(
        {
            "schedule": row["id"],
            "name": printable(row["name"]),
            "state": row["state"] + (f": {printable(row['paused_because'])}" if row["paused_at"] else ""),
            "runs": f"{row['items']} prompts as a batch" if row["items"] else _line(row["message"]),
            "when": _times(row),
            "next": ", ".join(map(when, row["upcoming"])) or "-",
            "on schedule": f"{row['times']} times, {row['failures']} failed in a row",
            "answers": f"{client.url}/c/{row['conversation']}/" if row["conversation"] else None,
        }
    )
    for firing in firings:
        started = firing["run"] or firing["batch"] or ""
        print(f"  {when(firing['due_at'])}  {firing['outcome']:<10} {started}  {_line(firing['reason'])}".rstrip())


def _outcome(schedule_id: str, answer: Row) -> str:
    """Return the line that ``run``, ``pause`` and ``resume`` print."""
    started = answer.get("run") or answer.get("batch") or ""
    return f"{schedule_id}\t{answer.get('state') or answer['outcome']}\t{started}".rstrip()


action(schedule, "run", "Run a schedule once now, in addition to its times.", path=PATH, outcome=_outcome)
action(schedule, "pause", "Pause a schedule.", path=PATH, outcome=_outcome)
action(schedule, "resume", "Resume a paused schedule from now on.", path=PATH, outcome=_outcome)
deletion(schedule, "Delete a schedule; its answers stay.", path=PATH)


def _times(row: Row) -> str:
    if row["kind"] == "interval":
        return f"every {row['every_s']} s"
    return f"{row['cron']} ({row['timezone']})" if row["kind"] == "cron" else "once"


def _line(text: str) -> str:
    line = printable(" ".join(text.split()))
    return line if len(line) <= SHOWN * 8 else f"{line[: SHOWN * 8]}…"
