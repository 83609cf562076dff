"""``aiops batch``: send a file of prompts, follow its progress, fetch its results."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any
from uuid import UUID

import click
from rich.markup import escape

from aiops.batches.cli import watching
from aiops.batches.cli.watching import PATH
from aiops.terminal import listing
from aiops.terminal.client import Client
from aiops.terminal.exit_codes import report_failure
from aiops.terminal.listing import Row
from aiops.terminal.options import action, client_options, deletion
from aiops.terminal.text import money, printable, when
from aiops.terminal.types import COLUMN, ID

COLOURS = {"completed": "green", "failed": "red", "expired": "red", "cancelled": "yellow", "in_progress": "cyan"}
COLUMNS: dict[str, listing.Cell] = {
    "batch": lambda row: row["id"],
    "state": lambda row: listing.coloured(row["state"], COLOURS),
    "done": lambda row: f"{watching.done(row['counts'])}/{row['counts']['total']}",
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
@click.option("--columns", type=COLUMN, multiple=True, help="Use a column of a CSV file: custom_id=KEY or model=KEY.")
@click.option("--encoding", help="Of a file that is neither UTF-8 nor UTF-16, such as windows-1252.")
@click.option("--model", help="Use this model instead of the default.")
@click.option("--ignore-model", is_flag=True, help="Send all lines to that model, whatever model they name.")
@click.option("--allow-changes", is_flag=True, help="Offer tools that change something; you are asked about each call.")
@click.option("--skip-invalid", is_flag=True, help="Skip invalid lines instead of running nothing.")
@click.option("--max-concurrency", type=click.IntRange(1, 1_000), help="Maximum number of items that run at once.")
@client_options
def run_batch(
    client: Client,
    file: Path,
    out: Path | None,
    response_schema: Path | None,
    columns: tuple[tuple[str, str], ...],
    ignore_model: bool,
    allow_changes: bool,
    skip_invalid: bool,
    **same: Any,
) -> int:
    """Send FILE (.jsonl, .json or .csv), follow it to its end, write the answers to --out. Ctrl-C leaves it running."""
    options = {name: value for name, value in same.items() if value is not None}
    if columns:
        options["columns"] = dict(columns)
    if ignore_model:
        options["ignore_model"] = True
    if allow_changes:
        options["allow_changes"] = True
    if skip_invalid:
        options["policy"] = "skip_invalid"
    try:
        if response_schema is not None:
            options["response_schema"] = json.loads(response_schema.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        return report_failure(f"{response_schema} is not JSON: {error}")
    if _is_blank(file):
        return report_failure(f"{file} is empty: write a prompt on each line.")
    made = client.upload(PATH, file, options=json.dumps(options))
    print(f"Batch {made['id']}", file=sys.stderr)
    return watching.watch(client, made["id"], out=out)


@batch.command("watch")
@_batch_id
@_out
@client_options
def watch_batch(client: Client, batch_id: UUID, out: Path | None) -> int:
    """Follow a batch to its end, and write the answers."""
    return watching.watch(client, str(batch_id), out=out)


@batch.command("list")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 200))
@click.option("--json", "as_json", is_flag=True)
@client_options
def list_batches(client: Client, limit: int, as_json: bool) -> None:
    """List your batches, newest first."""
    listing.show(
        client.get(PATH, limit=limit)["results"],
        as_json=as_json,
        plain=lambda row: (row["id"], row["state"], watching.done(row["counts"]), row["counts"]["total"]),
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
            "cost": money(row["usage"]["cost"]) if row["usage"]["cost"] is not None else None,
            "sent": when(row["timings"]["created"]),
            "ended": when(ended) if ended else None,
            "error": f"{error['code']}: {printable(error['detail'])}" if error else None,
        }
    )
    for reason in watching.reasons(client, row) if error else ():
        print(f"              {reason}")
    if any(row["counts"][name] for name in watching.WITHOUT_ANSWER):
        print(f"\nItems without an answer, and why: aiops batch results {row['id']} --errors")


@batch.command("results")
@_batch_id
@_out
@click.option("--csv", "form", flag_value="csv", help="CSV instead of JSONL.")
@click.option("--openai", "form", flag_value="openai", help="OpenAI's output form instead of our JSONL.")
@click.option("--errors", is_flag=True, help="Write the items without an answer, and why.")
@client_options
def write_results(client: Client, batch_id: UUID, out: Path | None, form: str | None, errors: bool) -> int:
    """Write the answers so far, in the order of the file."""
    return watching.write(client, str(batch_id), "errors" if errors else "results", out=out, form=form or "")


def _outcome(batch_id: str, answer: Row) -> str:
    """Return the line that ``cancel``, ``retry`` and ``resume`` print."""
    more = f" ({answer['items']} items)" if "items" in answer else ""
    return f"{answer['id']}\t{answer['state']}{more}"


action(batch, "cancel", "Cancel a batch and keep the answers so far.", path=PATH, outcome=_outcome)
action(batch, "retry", "Run the failed items of an ended batch again.", path=PATH, outcome=_outcome)
action(batch, "resume", "Run the cancelled and expired items of an ended batch.", path=PATH, outcome=_outcome)
deletion(batch, "Delete an ended batch with its answers.", path=PATH)


def _is_blank(file: Path) -> bool:
    try:
        with file.open("rb") as opened:
            return not any(line.strip() for line in opened)
    except OSError:
        return False  # the upload says why it cannot be read
