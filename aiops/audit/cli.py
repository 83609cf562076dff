"""``aiops audit``: list, export and verify the audit log."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar

import click
from rich.markup import escape

from aiops.terminal import listing
from aiops.terminal.client import Client
from aiops.terminal.exit_codes import FAILED, OK
from aiops.terminal.listing import Row
from aiops.terminal.options import client_options
from aiops.terminal.text import one_line, printable, when
from aiops.terminal.types import MOMENT

PATH = "/api/audit/"
PAGE = 200
Command = TypeVar("Command", bound=Callable[..., Any])


def _shown(name: str) -> listing.Cell:
    return lambda row: escape(printable(str(row[name])))


COLUMNS: dict[str, listing.Cell] = {
    "row": lambda row: str(row["sequence"]),
    "when": lambda row: when(row["at"]),
    "actor": _shown("actor"),
    "action": _shown("action"),
    "object": _shown("object"),
    "details": lambda row: escape(_details(row)),
}


def filters(command: Command) -> Command:
    """Add the filters of the API."""
    for option in (
        click.option("--until", type=MOMENT, help="Before this time, such as 2026-11-28."),
        click.option("--since", type=MOMENT, help="From this time on."),
        click.option("--object", "object_", metavar="OBJECT", help="Such as secret:netbox, exactly."),
        click.option("--action", metavar="ACTION", help="Such as configuration.changed, exactly."),
        click.option("--actor", metavar="NAME", help="A user's name, exactly; or system, worker, unknown."),
    ):
        command = option(command)
    return command


@click.group()
def audit() -> None:
    """Read and verify the log of decisions, changes, tool calls, secrets and sign-ins."""


@audit.command("list")
@filters
@click.option("--limit", type=click.IntRange(1, PAGE), default=50, show_default=True)
@click.option("--json", "as_json", is_flag=True)
@client_options
def list_rows(client: Client, limit: int, as_json: bool, **given: Any) -> None:
    """List rows, the newest first."""
    listing.show(
        client.get(PATH, limit=limit, **_parameters(**given))["results"],
        as_json=as_json,
        plain=lambda row: (
            *(row["sequence"], row["at"]),
            *(one_line(row[name]) for name in ("actor", "action", "object")),
            _details(row),
            row["hash"],
        ),
        table=lambda rows: listing.table(rows, COLUMNS, wrapping=("object", "details")),
        nothing="No row matches.",
    )


@audit.command("export")
@filters
@client_options
def export(client: Client, **given: Any) -> None:
    """Write rows to standard output, a JSON object a line, the oldest first; the log records that."""
    client.download(f"{PATH}export/", sys.stdout.buffer, **_parameters(**given))


@audit.command("verify")
@client_options
def verify(client: Client) -> int:
    """Verify every row; name the first one that was changed or is missing, and exit with 1."""
    after, checked = 0, 0
    while True:
        page = client.get(f"{PATH}verify/", after=after)
        checked, after = checked + page["checked"], page["after"]
        if page["problem"] is not None:
            problem = page["problem"]
            print(f"The audit log does not verify. Row {problem['sequence']} {printable(problem['what'])}.")
            return FAILED
        if page["done"]:
            print(f"{checked} rows verified, up to row {after}")
            return OK
        if sys.stderr.isatty():
            print(f"\r{checked} rows", end="", file=sys.stderr, flush=True)


def _parameters(*, object_: str | None, since: datetime | None, until: datetime | None, **given: Any) -> dict[str, Any]:
    times = {"since": since, "until": until}
    return {
        name: value
        for name, value in {
            **given,
            "object": object_,
            **{name: at.isoformat() if at else None for name, at in times.items()},
        }.items()
        if value is not None
    }


def _details(row: Row) -> str:
    return one_line(json.dumps(row["details"], ensure_ascii=False)) if row["details"] else ""
