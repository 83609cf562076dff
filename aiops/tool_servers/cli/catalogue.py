"""Commands of ``aiops tools`` about single tools: list, accept, change and try them."""

from __future__ import annotations

import json
import sys
from typing import Any

import click
from rich.markup import escape

from aiops.terminal import listing
from aiops.terminal.client import CallFailed, Client
from aiops.terminal.exit_codes import FAILED, OK
from aiops.terminal.listing import Row
from aiops.terminal.options import client_options
from aiops.terminal.rows import REASON, all_rows
from aiops.terminal.text import printable

PATH = "/api/tools/"
CLASSES = click.Choice(["read", "write", "destructive", "unknown"])
STATUSES = {"accepted": "green", "pending": "yellow", "dropped": "red"}
COLUMNS: dict[str, listing.Cell] = {
    "tool": lambda row: escape(printable(_name(row))),
    "class": lambda row: row["tool_class"],
    "status": lambda row: listing.coloured(row["status"], STATUSES) + ("" if row["is_enabled"] else " (disabled)"),
    "pin": lambda row: row["pin"][:12] or "-",
    "calls": lambda row: str(row["lately"]["calls"]),
    "failed": lambda row: str(row["lately"]["failed"] or "-"),
    "p50 / p95 ms": lambda row: _times(row["lately"]),
    "about": lambda row: escape(_about(row)),
}


@click.command("catalogue")
@click.option("--server", metavar="NAME", help="Only the tools of this server.")
@click.option("--status", type=click.Choice(list(STATUSES)))
@click.option("--class", "tool_class", type=CLASSES)
@click.option("--json", "as_json", is_flag=True)
@client_options
def list_tools(client: Client, server: str | None, status: str | None, tool_class: str | None, as_json: bool) -> None:
    """List the tools of all servers: what each may do, and whether it is used."""
    listing.show(
        sorted(all_rows(client, PATH, server=server, status=status, tool_class=tool_class), key=_name),
        as_json=as_json,
        plain=lambda row: (_name(row), row["tool_class"], row["status"], row["pin"] or "-", _about(row)),
        table=lambda rows: listing.table(rows, COLUMNS, wrapping=("about",)),
        nothing="There is no such tool: aiops tools list shows the servers.",
    )


@click.command("accept")
@click.argument("server")
@click.argument("tools", nargs=-1)
@REASON
@client_options
def accept_tools(client: Client, server: str, tools: tuple[str, ...], reason: str) -> int:
    """Accept TOOLS of SERVER as they are offered now, or all of its tools that wait. See aiops tools catalogue."""
    rows = all_rows(client, PATH, server=server, status=None if tools else "pending")
    chosen = [_of(rows, server, name) for name in tools] if tools else rows
    if not chosen:
        print(f"No tool of {server!r} waits: see aiops tools catalogue.", file=sys.stderr)
        return FAILED
    bodies = [{"id": row["id"], "pin": row["offered_pin"]} for row in chosen]
    for row in client.post(f"{PATH}accept/", bodies, reason=reason):
        print(f"{printable(_name(row))}\t{row['status']}\t{row['tool_class']}")
    return OK


@click.command("change")
@click.argument("server")
@click.argument("tool")
@click.option("--class", "tool_class", type=CLASSES, help="What it may do; unknown counts as write.")
@click.option("--enable/--disable", "is_enabled", default=None, help="Use it, or do without it.")
@click.option("--timeout", "timeout_s", type=click.IntRange(1), metavar="SECONDS", help="Of a call without progress.")
@click.option("--max-result", "max_result_bytes", type=click.IntRange(100), metavar="BYTES", help="For the model.")
@click.option("--calls", "calls_per_run", type=click.IntRange(1), metavar="NUMBER", help="In one run.")
@REASON
@client_options
def change_tool(client: Client, server: str, tool: str, reason: str, **given: Any) -> None:
    """Change what TOOL of SERVER may do, and its limits."""
    fields = {name: value for name, value in given.items() if value is not None}
    if not fields:
        raise click.UsageError("Say what to change: --class, --enable, --disable, --timeout, --max-result or --calls.")
    row = _of(all_rows(client, PATH, server=server), server, tool)
    made = client.patch(f"{PATH}{row['id']}/", fields, reason=reason)
    print(f"{printable(_name(made))}\t{made['tool_class']}\t{'enabled' if made['is_enabled'] else 'disabled'}")


@click.command("try")
@click.argument("server")
@click.argument("tool")
@click.argument("arguments", nargs=-1, metavar="[NAME=VALUE]…")
@client_options
def try_tool(client: Client, server: str, tool: str, arguments: tuple[str, ...]) -> int:
    """Call TOOL of SERVER, if it only reads, and print its result. A VALUE that is JSON is sent as such."""
    given: dict[str, Any] = {}
    for one in arguments:
        key, equals, value = one.partition("=")
        if not equals:
            raise click.UsageError(f"{one!r} is not NAME=VALUE.")
        try:
            given[key] = json.loads(value)
        except ValueError:
            given[key] = value
    row = _of(all_rows(client, PATH, server=server), server, tool)
    found = client.post(f"{PATH}{row['id']}/try/", {"arguments": given})
    print("\n".join(map(printable, found["result"].splitlines())))
    print(f"{found['status']}, {found['ms']:g} ms", file=sys.stderr)
    return OK if found["status"] == "ok" else FAILED


COMMANDS = (list_tools, accept_tools, change_tool, try_tool)


def _of(rows: list[Row], server: str, name: str) -> Row:
    """Return the tool of this name, its server's or ours; raises CallFailed."""
    found = next((row for row in rows if name in (row["name"], _name(row))), None)
    if found is None:
        raise CallFailed(f"The tool server {server!r} has no tool {name!r}: see aiops tools catalogue.")
    return found


def _name(row: Row) -> str:
    return f"{row['server']}_{row['name']}"


def _times(lately: Row) -> str:
    return f"{lately['p50_ms']:.0f} / {lately['p95_ms']:.0f}" if lately["calls"] else "-"


def _about(row: Row) -> str:
    if row["problem"]:
        return printable(row["problem"])
    return printable((row["description"].strip().splitlines() or [""])[0])
