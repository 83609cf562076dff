"""``aiops batch``: send a file of prompts, follow its progress, fetch its results."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any
from uuid import UUID

import click
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from aiops.terminal import listing
from aiops.terminal.client import Client
from aiops.terminal.exit_codes import FAILED, INTERRUPTED, OK, report_failure
from aiops.terminal.listing import Row
from aiops.terminal.options import action, client_options, deletion
from aiops.terminal.text import printable, when
from aiops.terminal.types import ID

PATH = "/api/batches/"
COLOURS = {"completed": "green", "failed": "red", "expired": "red", "cancelled": "yellow", "in_progress": "cyan"}
WITHOUT_ANSWER = ("failed", "cancelled", "expired", "invalid")
"""States of items that ended without an answer."""
LINES_READ, MAX_REASONS = 50, 3
"""How many invalid lines are read for their reasons, and how many different reasons are shown."""
COLUMNS: dict[str, listing.Cell] = {
    "batch": lambda row: row["id"],
    "state": lambda row: listing.coloured(row["state"], COLOURS),
    "done": lambda row: f"{_done(row['counts'])}/{row['counts']['total']}",
    "sent": lambda row: when(row["timings"]["created"]),
    "name": lambda row: escape(printable(row["name"])),
}

_file_in = click.Path(exists=True, dir_okay=False, path_type=Path)
_file_out = click.Path(dir_okay=False, writable=True, path_type=Path)
_batch_id = click.argument("batch_id", type=ID)
_out = click.option("--out", type=_file_out, help="Write results here: .jsonl or .csv.")


@click.group()
def batch() -> None:
    """Send many prompts at once, and fetch their answers."""


@batch.command("run")
@click.argument("file", type=_file_in)
@_out
@click.option("--name", help="A name for the batch.")
@click.option("--template", help="Build each prompt from the columns of a line, such as 'Summarise {{log}}'.")
@click.option("--response-schema", type=_file_in, help="JSON Schema that every answer must match.")
@click.option("--webhook", help="POST the end of the batch to this address.")
@click.option("--model", help="Use this model instead of the default.")
@click.option("--skip-invalid", is_flag=True, help="Skip invalid lines instead of running nothing.")
@click.option("--max-concurrency", type=click.IntRange(1, 1_000), help="Maximum number of items that run at once.")
@client_options
def run_batch(
    client: Client, file: Path, out: Path | None, response_schema: Path | None, skip_invalid: bool, **same: Any
) -> int:
    """Send FILE (.jsonl, .json or .csv), follow it to its end, write the answers. Ctrl-C leaves the batch running."""
    options = {name: value for name, value in same.items() if value is not None}
    if skip_invalid:
        options["policy"] = "skip_invalid"
    try:
        if response_schema is not None:
            options["response_schema"] = json.loads(response_schema.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        return report_failure(f"{response_schema} is not JSON: {error}")
    if _is_blank(file):
        return report_failure(f"{file} is empty: write a prompt on each line.")
    made = client.upload(PATH, file, options)
    print(f"Batch {made['id']}", file=sys.stderr)
    return _watch(client, made["id"], out=out)


@batch.command("watch")
@_batch_id
@_out
@client_options
def watch_batch(client: Client, batch_id: UUID, out: Path | None) -> int:
    """Follow a batch to its end, and write the answers."""
    return _watch(client, str(batch_id), out=out)


@batch.command("list")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 200))
@click.option("--json", "as_json", is_flag=True)
@client_options
def list_batches(client: Client, limit: int, as_json: bool) -> None:
    """List your batches, newest first."""
    listing.show(
        client.get(PATH, limit=limit)["results"],
        as_json=as_json,
        plain=lambda row: (row["id"], row["state"], _done(row["counts"]), row["counts"]["total"]),
        table=lambda rows: listing.table(rows, COLUMNS, wrapping=("name",)),
        nothing="There are no batches yet: aiops batch run prompts.jsonl --out results.jsonl",
    )


@batch.command("show")
@_batch_id
@click.option("--json", "as_json", is_flag=True)
@client_options
def show_batch(client: Client, batch_id: UUID, as_json: bool) -> None:
    """Show one batch: its state, counts and tokens."""
    row = client.get(f"{PATH}{batch_id}/")
    if as_json:
        listing.dump(row)
        return
    ended, error = row["timings"]["ended"], row["error"]
    listing.print_facts(
        {
            "batch": row["id"],
            "name": printable(row["name"]) or "-",
            "state": row["state"],
            **{name: count for name, count in row["counts"].items() if count or name == "total"},
            "tokens": f"{row['usage']['input_tokens']} in, {row['usage']['output_tokens']} out",
            "sent": when(row["timings"]["created"]),
            "ended": when(ended) if ended else None,
            "error": f"{error['code']}: {printable(error['detail'])}" if error else None,
        }
    )
    for reason in _reasons(client, row) if error else ():
        print(f"              {reason}")
    if any(row["counts"][name] for name in WITHOUT_ANSWER):
        print(f"\nItems without an answer, and why: aiops batch results {row['id']} --errors")


@batch.command("results")
@_batch_id
@_out
@click.option("--csv", "as_csv", is_flag=True, help="CSV instead of JSONL.")
@click.option("--errors", is_flag=True, help="Write the items without an answer, and why.")
@client_options
def write_results(client: Client, batch_id: UUID, out: Path | None, as_csv: bool, errors: bool) -> int:
    """Write the answers so far, in the order of the file."""
    return _write(client, str(batch_id), "errors" if errors else "results", out=out, as_csv=as_csv)


def _outcome(batch_id: str, answer: Row) -> str:
    """Return the line that ``cancel``, ``retry`` and ``resume`` print."""
    more = f" ({answer['items']} items)" if "items" in answer else ""
    return f"{answer['id']}\t{answer['state']}{more}"


action(batch, "cancel", "Cancel a batch and keep the answers so far.", path=PATH, outcome=_outcome)
action(batch, "retry", "Run the failed items of an ended batch again.", path=PATH, outcome=_outcome)
action(batch, "resume", "Run the cancelled and expired items of an ended batch.", path=PATH, outcome=_outcome)
deletion(batch, "Delete an ended batch with its answers.", path=PATH)


def _watch(client: Client, batch_id: str, *, out: Path | None) -> int:
    """Show a batch's progress until its end and write its results; return the exit code."""
    console = Console(stderr=True, highlight=False)
    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[note]}"), TimeRemainingColumn())
    last: Row = {}
    begun, done_at_first = time.monotonic(), None
    try:
        with Progress(*columns, console=console, transient=True) as bar:
            task = bar.add_task("", total=None, note="validating")
            for event in client.progress(batch_id):
                if event.type == Client.CONNECTION_LOST:
                    bar.console.print("[dim]The connection is lost; reconnecting…[/]")
                    continue
                last = event.data
                done = _done(last["counts"])
                done_at_first = done if done_at_first is None else done_at_first
                rate = (done - done_at_first) / max(time.monotonic() - begun, 1)
                bar.update(task, total=last["counts"]["total"] or None, completed=done, note=_note(last, rate))
    except KeyboardInterrupt:
        to = f" --out {out}" if out else ""
        print(f"\nThe batch continues; to follow it again: aiops batch watch {batch_id}{to}", file=sys.stderr)
        return INTERRUPTED
    if not last:
        return report_failure(f"the batch {batch_id} was deleted.")
    print(_summary(client, last), file=sys.stderr)
    if out is not None and last["counts"]["succeeded"]:
        code = _write(client, batch_id, "results", out=out)
        if code != OK:
            return code
    bad = any(last["counts"][name] for name in WITHOUT_ANSWER)
    return OK if last["state"] == "completed" and not bad else FAILED


def _write(client: Client, batch_id: str, what: str, *, out: Path | None, as_csv: bool = False) -> int:
    """Write a batch's results or errors (``what``) to a file or to standard output."""
    kind = "csv" if as_csv or (out is not None and out.suffix.lower() == ".csv") else "jsonl"
    try:
        if out is None:
            client.download(f"{PATH}{batch_id}/{what}/", sys.stdout.buffer, **{"as": kind})
            return OK
        part = out.with_name(f"{out.name}.part")
        with part.open("wb") as to:
            client.download(f"{PATH}{batch_id}/{what}/", to, **{"as": kind})
        part.replace(out)  # only a complete file gets this name
        print(f"Written: {out}", file=sys.stderr)
    except OSError as error:
        return report_failure(f"{error.filename or out} cannot be written: {error.strerror}.")
    return OK


def _done(counts: dict[str, int]) -> int:
    return counts["total"] - counts["pending"] - counts["running"]


def _note(row: Row, rate: float) -> str:
    if row["state"] == "validating":
        return f"validating, {row['counts']['total']} lines so far"
    tokens = row["usage"]["input_tokens"] + row["usage"]["output_tokens"]
    bad = sum(row["counts"][name] for name in WITHOUT_ANSWER)
    return f"{rate:.1f}/s, {tokens:,} tokens" + (f", {bad} without answer" if bad else "")


def _is_blank(file: Path) -> bool:
    try:
        with file.open("rb") as opened:
            return not any(line.strip() for line in opened)
    except OSError:
        return False  # the upload says why it cannot be read


def _reasons(client: Client, row: Row) -> list[str]:
    """Return the first few different reasons why lines are invalid."""
    if not row["counts"]["invalid"]:
        return []
    lines = client.get(f"{PATH}{row['id']}/items/", state="invalid", limit=LINES_READ)["results"]
    first: dict[str, int] = {}
    for line in lines:
        first.setdefault(printable((line["error"] or {}).get("detail", "")), line["number"])
    return [f"line {number}: {detail}" for detail, number in first.items() if detail][:MAX_REASONS]


def _summary(client: Client, row: Row) -> str:
    if row["error"]:
        lines = [f"The batch {row['state']}: {printable(row['error']['detail'])}"]
        lines += [f"  {reason}" for reason in _reasons(client, row)]
        return "\n".join([*lines, f"All of them: aiops batch results {row['id']} --errors"])
    counts = ", ".join(f"{count} {name}" for name, count in row["counts"].items() if count and name != "total")
    return f"The batch is {row['state']}: {counts or 'nothing in it'}."
