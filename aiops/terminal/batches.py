"""``aiops batch``: send a file of prompts, watch it, fetch its results."""

from __future__ import annotations

import json
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from aiops.terminal import listing
from aiops.terminal.acting import FAILED, INTERRUPTED, OK, complain, told
from aiops.terminal.client import Client
from aiops.terminal.listing import Row
from aiops.terminal.text import printable, when

COLOURS = {"completed": "green", "failed": "red", "expired": "red", "cancelled": "yellow", "in_progress": "cyan"}
BAD = ("failed", "cancelled", "expired", "invalid")
COLUMNS: dict[str, listing.Cell] = {
    "batch": lambda row: row["id"],
    "state": lambda row: listing.coloured(row["state"], COLOURS),
    "done": lambda row: f"{_done(row['counts'])}/{row['counts']['total']}",
    "sent": lambda row: when(row["timings"]["created"]),
    "name": lambda row: escape(printable(row["name"])),
}


@told
def run(client: Client, file: Path, *, out: Path | None, options: dict[str, Any], schema: Path | None) -> int:
    """Send a file, watch until the end and write the results; Ctrl-C leaves the batch running."""
    try:
        if schema is not None:
            options = {**options, "response_schema": json.loads(schema.read_bytes())}
    except (OSError, ValueError, RecursionError) as error:
        return complain(f"{schema} is not JSON: {error}")
    batch = client.upload("/api/batches/", file, options)
    print(f"Batch {batch['id']}", file=sys.stderr)
    return watch(client, batch["id"], out=out)


@told
def watch(client: Client, batch_id: str, *, out: Path | None) -> int:
    """Show a batch's progress until its end, and write the results; the exit code says whether all succeeded."""
    console = Console(stderr=True, highlight=False)
    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[note]}"), TimeRemainingColumn())
    last: dict[str, Any] = {}
    begun, done_at_first = time.monotonic(), None
    try:
        with Progress(*columns, console=console, transient=True) as bar:
            task = bar.add_task("", total=None, note="validating")
            for event in client.progress(batch_id):
                if event.type == "connection.lost":
                    bar.console.print("[dim]The connection is lost; trying again…[/]")
                    continue
                last = event.data
                done = _done(last["counts"])
                done_at_first = done if done_at_first is None else done_at_first
                rate = (done - done_at_first) / max(time.monotonic() - begun, 1)
                bar.update(task, total=last["counts"]["total"] or None, completed=done, note=_note(last, rate))
    except KeyboardInterrupt:
        to = f" --out {out}" if out else ""
        print(f"\nThe batch goes on: aiops batch watch {batch_id}{to}", file=sys.stderr)
        return INTERRUPTED
    if not last:
        return complain(f"the batch {batch_id} was deleted.")
    print(_summary(last), file=sys.stderr)
    if out is not None and last["counts"]["succeeded"]:
        code = results(client, batch_id, out=out, as_csv=out.suffix.lower() == ".csv", errors=False)
        if code != OK:
            return code
    bad = any(last["counts"][name] for name in BAD)
    return OK if last["state"] == "completed" and not bad else FAILED


@told
def results(client: Client, batch_id: str, *, out: Path | None, as_csv: bool, errors: bool) -> int:
    """Write a batch's results, or what has no answer, to a file or to standard output."""
    path = f"/api/batches/{batch_id}/{'errors' if errors else 'results'}/"
    kind = "csv" if as_csv else "jsonl"
    try:
        with ExitStack() as files:
            part = out.with_name(f"{out.name}.part") if out is not None else None
            to = files.enter_context(part.open("wb")) if part is not None else sys.stdout.buffer
            client.download(path, to, **{"as": kind})
        if out is not None and part is not None:
            part.replace(out)  # a file with this name is whole
            print(f"Written: {out}", file=sys.stderr)
    except OSError as error:
        return complain(f"{error.filename or out} cannot be written: {error.strerror}.")
    return OK


@told
def list_(client: Client, *, limit: int, as_json: bool) -> None:
    """Print the newest batches; plain lines when piped."""

    def plain(row: Row) -> tuple[object, ...]:
        return row["id"], row["state"], _done(row["counts"]), row["counts"]["total"]

    listing.show(
        client.get("/api/batches/", limit=limit)["results"],
        as_json=as_json,
        plain=plain,
        table=lambda rows: listing.table(rows, COLUMNS, wrapping=("name",)),
        nothing="There are no batches yet: aiops batch run prompts.jsonl --out results.jsonl",
    )


@told
def show(client: Client, batch_id: str, *, as_json: bool) -> None:
    """Print one batch."""
    batch = client.get(f"/api/batches/{batch_id}/")
    if as_json:
        listing.dump(batch)
        return
    print(f"batch         {batch['id']}")
    print(f"name          {printable(batch['name']) or '-'}")
    print(f"state         {batch['state']}")
    for name, count in batch["counts"].items():
        if count or name == "total":
            print(f"{name:<13} {count}")
    print(f"tokens        {batch['usage']['input_tokens']} in, {batch['usage']['output_tokens']} out")
    print(f"sent          {when(batch['timings']['created'])}")
    if batch["timings"]["ended"]:
        print(f"ended         {when(batch['timings']['ended'])}")
    if batch["error"]:
        print(f"error         {batch['error']['code']}: {printable(batch['error']['detail'])}")
    if any(batch["counts"][name] for name in BAD):
        print(f"\nWhat has no answer, and why: aiops batch results {batch['id']} --errors")


@told
def act(client: Client, batch_id: str, what: str) -> None:
    """Cancel, retry or resume a batch, and say what it is now."""
    said = client.post(f"/api/batches/{batch_id}/{what}/")
    more = f" ({said['items']} items)" if "items" in said else ""
    print(f"{said['id']}\t{said['state']}{more}")


def _done(counts: dict[str, int]) -> int:
    return counts["total"] - counts["pending"] - counts["running"]


def _note(batch: dict[str, Any], rate: float) -> str:
    if batch["state"] == "validating":
        return f"validating, {batch['counts']['total']} lines so far"
    tokens = batch["usage"]["input_tokens"] + batch["usage"]["output_tokens"]
    bad = sum(batch["counts"][name] for name in BAD)
    return f"{rate:.1f}/s, {tokens:,} tokens" + (f", {bad} without answer" if bad else "")


def _summary(batch: dict[str, Any]) -> str:
    if batch["error"]:
        return f"The batch {batch['state']}: {printable(batch['error']['detail'])}\nSee: aiops batch show {batch['id']}"
    counts = ", ".join(f"{count} {name}" for name, count in batch["counts"].items() if count and name != "total")
    return f"The batch is {batch['state']}: {counts or 'nothing in it'}."
