"""Follows a batch in the terminal to its end, and writes its results."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from aiops.terminal.client import Client
from aiops.terminal.exit_codes import FAILED, INTERRUPTED, OK, report_failure
from aiops.terminal.listing import Row
from aiops.terminal.text import printable

PATH = "/api/batches/"
WITHOUT_ANSWER = ("failed", "cancelled", "expired", "invalid")
"""States of items that ended without an answer."""
LINES_READ, MAX_REASONS = 50, 3
"""How many invalid lines are read for their reasons, and how many different reasons are shown."""


def watch(client: Client, batch_id: str, *, out: Path | None) -> int:
    """Show a batch's progress until its end and write its results; return the exit code."""
    console = Console(stderr=True, highlight=False)
    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[note]}"), TimeRemainingColumn())
    last: Row = {}
    begun, at_first = time.monotonic(), None
    try:
        with Progress(*columns, console=console, transient=True) as bar:
            task = bar.add_task("", total=None, note="validating")
            for event in client.progress(batch_id):
                if event.type == Client.CONNECTION_LOST:
                    bar.console.print("[dim]The connection is lost; reconnecting…[/]")
                    continue
                last = event.data
                now = done(last["counts"])
                at_first = now if at_first is None else at_first
                rate = (now - at_first) / max(time.monotonic() - begun, 1)
                bar.update(task, total=last["counts"]["total"] or None, completed=now, note=_note(last, rate))
    except KeyboardInterrupt:
        to = f" --out {out}" if out else ""
        print(f"\nThe batch continues; to follow it again: aiops batch watch {batch_id}{to}", file=sys.stderr)
        return INTERRUPTED
    if not last:
        return report_failure(f"the batch {batch_id} was deleted.")
    print(summary(client, last), file=sys.stderr)
    if out is not None and last["counts"]["succeeded"]:
        code = write(client, batch_id, "results", out=out)
        if code != OK:
            return code
    elif last["counts"]["succeeded"]:
        print(f"The answers: aiops batch results {batch_id}", file=sys.stderr)
    bad = any(last["counts"][name] for name in WITHOUT_ANSWER)
    return OK if last["state"] == "completed" and not bad else FAILED


def write(client: Client, batch_id: str, what: str, *, out: Path | None, form: str = "") -> int:
    """Write a batch's results or errors (``what``) to a file or to standard output."""
    kind = form or ("csv" if out is not None and out.suffix.lower() == ".csv" else "jsonl")
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


def done(counts: dict[str, int]) -> int:
    """Return how many items have ended."""
    return counts["total"] - counts["pending"] - counts["running"]


def _note(row: Row, rate: float) -> str:
    if row["state"] == "validating":
        return f"validating, {row['counts']['total']} lines so far"
    tokens = row["usage"]["input_tokens"] + row["usage"]["output_tokens"]
    bad = sum(row["counts"][name] for name in WITHOUT_ANSWER)
    return f"{rate:.1f}/s, {tokens:,} tokens" + (f", {bad} without answer" if bad else "")


def reasons(client: Client, row: Row) -> list[str]:
    """Return the first few different reasons why lines are invalid."""
    if not row["counts"]["invalid"]:
        return []
    lines = client.get(f"{PATH}{row['id']}/items/", state="invalid", limit=LINES_READ)["results"]
    first: dict[str, int] = {}
    for line in lines:
        first.setdefault(printable((line["error"] or {}).get("detail", "")), line["number"])
    return [f"line {number}: {detail}" for detail, number in first.items() if detail][:MAX_REASONS]


def summary(client: Client, row: Row) -> str:
    if row["error"]:
        lines = [f"The batch {row['state']}: {printable(row['error']['detail'])}"]
        lines += [f"  {reason}" for reason in reasons(client, row)]
        rest = [f"All of them: aiops batch results {row['id']} --errors"] if row["counts"]["invalid"] else []
        return "\n".join([*lines, *rest])
    counts = ", ".join(f"{count} {name}" for name, count in row["counts"].items() if count and name != "total")
    return f"The batch is {row['state']}: {counts or 'nothing in it'}."
