"""Commands of ``aiops tools`` about servers: list, add, import, take out of service, check and remove them."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click
from rich.markup import escape

from aiops.terminal import listing
from aiops.terminal.client import CallFailed, Client
from aiops.terminal.exit_codes import FAILED, OK
from aiops.terminal.listing import Row
from aiops.terminal.options import client_options, request_from
from aiops.terminal.rows import REASON
from aiops.terminal.text import one_line, printable
from aiops.tool_servers.cli.adding import TakesCommand, request_of_add

PATH = "/api/mcp-servers/"
COLOURS = {"healthy": "green", "failed": "red", "unknown": "cyan", "maintenance": "yellow", "vulnerable": "red"}
"""Every status of a server, as the API names it."""
STATUS = click.Choice(list(COLOURS))
COLUMNS: dict[str, listing.Cell] = {
    "server": lambda row: row["name"],
    "status": lambda row: listing.coloured(row["status"], COLOURS) + (" (required)" if row["required"] else ""),
    "tools": lambda row: "-" if row["tools"] is None else _counted(row["tools"]),
    "where": lambda row: escape(_where(row)),
    "problem": lambda row: escape(printable(row["problem"])),
}
IMPORTED: dict[str, listing.Cell] = {
    "server": lambda row: row["name"] or "-",
    "in the file": lambda row: escape(one_line(row["was"])),
    "action": lambda row: listing.coloured(row["action"], {"create": "green", "refused": "red"}),
    "reason": lambda row: escape(one_line(row["reason"])),
}


@click.command("list")
@click.option("--status", type=STATUS)
@click.option("--json", "as_json", is_flag=True)
@client_options
def list_servers(client: Client, status: str | None, as_json: bool) -> None:
    """List tool servers and their health."""

    def plain(row: Row) -> tuple[object, ...]:
        return row["name"], row["status"], _where(row), printable(row["problem"])

    listing.show(
        client.get(PATH, status=status, limit=200)["results"],
        as_json=as_json,
        plain=plain,
        table=lambda rows: listing.table(rows, COLUMNS, wrapping=("where", "problem")),
        nothing="There is no tool server: aiops tools add NAME https://tools.example.org/mcp",
    )


@click.command("show")
@click.argument("name")
@click.option("--json", "as_json", is_flag=True)
@client_options
def show_server(client: Client, name: str, as_json: bool) -> None:
    """Show a tool server, its tools, prompts and resources."""
    row = _find(client, name)
    if as_json:
        listing.dump(row)
        return
    facts = {
        "server": row["name"],
        "status": row["status"] + (f": {printable(row['problem'])}" if row["problem"] else ""),
        "where": f"{_where(row)} ({row['protocol']}, {row['place']})",
        **({"folder": printable(row["cwd"])} if row["cwd"] else {}),
        "required": "yes" if row["required"] else "no",
        "checked": row["checked_at"] or "not yet",
    }
    for label, value in facts.items():
        print(f"{label:<11}{value}")
    for line in row["output"].splitlines():
        print(f"  | {printable(line)}")
    _print_tools(row["name"], row["tools"] or ())
    _print_others(row)


@click.command("add", cls=TakesCommand)
@click.argument("name")
@click.argument("where", nargs=-1, required=True)
@click.option("--sse", is_flag=True, help="Use the older HTTP with SSE.")
@click.option("--external", is_flag=True, help="Use only https and public addresses.")
@click.option("--required", is_flag=True, help="Answer nothing without it.")
@click.option("--header", "headers", multiple=True, metavar="NAME=env:AIOPS_SECRET_…", help="May be repeated.")
@click.option("--own", is_flag=True, help="Send each person's own credential: aiops tools credential set NAME.")
@click.option("--own-header", metavar="NAME", help="Header that gets it. [default: Authorization, a bearer token]")
@click.option("--env", "variables", multiple=True, metavar="NAME=VALUE", help="Variable of a command; may be repeated.")
@click.option("--cwd", metavar="FOLDER", help="In which a command runs.")
@click.option(
    "--handshake", "handshake_s", type=click.IntRange(1), metavar="SECONDS", help="Time it gets to start. [default: 15]"
)
@click.option(
    "--call",
    "call_s",
    type=click.IntRange(1),
    metavar="SECONDS",
    help="Longest time of a call without a sign of progress. [default: AIOPS_TOOL_TIMEOUT_S]",
)
@click.option("--accept", "accept_tools", is_flag=True, help="Use the tools of its first list, as they are.")
@click.option("--dry-run", is_flag=True, help="Connect to it and list its tools, and save nothing.")
@REASON
@request_from(request_of_add)
@client_options
def add_server(client: Client, request: dict[str, Any]) -> int:
    """Add the server NAME at WHERE: its URL, or a command with its arguments (after --, or as a path)."""
    reason = request.pop("reason")
    if request.pop("dry_run"):
        found = client.post(f"{PATH}test/", request)
        _print_tools(request["name"], found["tools"])
        print(printable(found["problem"]) or "It answers. Add it without --dry-run.", file=sys.stderr)
        return OK if found["ok"] else FAILED
    made = client.post(PATH, request, reason=reason)
    print(f"{made['name']}\t{made['status']}")
    print("It is used once three health checks, five seconds apart, succeed: aiops tools list", file=sys.stderr)
    if not made["accept_tools"]:
        print(f"Then its tools wait to be accepted: aiops tools accept {made['name']}", file=sys.stderr)
    return OK


@click.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--dry-run", is_flag=True, help="Show what would happen, and write nothing.")
@click.option("--json", "as_json", is_flag=True)
@REASON
@client_options
def import_servers(client: Client, file: Path, dry_run: bool, as_json: bool, reason: str) -> int:
    """Add the servers of another MCP client's configuration FILE (mcpServers, or VS Code's servers).

    Secrets in it are not stored: the lines to set in the environment of the workers are listed. Exits with 1 if a
    server is refused.
    """
    found = client.upload(f"{PATH}import/", file, reason=reason, dry_run="true" if dry_run else "false")
    if as_json:
        listing.dump(found)
    else:
        listing.show(
            found["servers"],
            as_json=False,
            plain=lambda row: (row["name"] or "-", one_line(row["was"]), row["action"], one_line(row["reason"])),
            table=lambda rows: listing.table(rows, IMPORTED, wrapping=("in the file", "reason")),
            nothing="",
        )
        for variable, source in found["sources"].items():
            print(f"\n# {one_line(source)}\n{variable}=")
    if dry_run:
        print("Nothing was written. Import it without --dry-run.", file=sys.stderr)
    elif any(row["action"] == "create" for row in found["servers"]):
        print("When they are healthy, their tools wait: aiops tools catalogue --status pending", file=sys.stderr)
    return FAILED if any(row["action"] == "refused" for row in found["servers"]) else OK


@click.command("set")
@click.argument("name")
@click.argument("status", type=STATUS)
@REASON
@client_options
def set_status(client: Client, name: str, status: str, reason: str) -> None:
    """Take a server out of service (maintenance, vulnerable) or back into it (unknown: it is checked first)."""
    made = client.patch(f"{PATH}{_find(client, name)['id']}/", {"status": status}, reason=reason)
    print(f"{made['name']}\t{made['status']}")


@click.command("remove")
@click.argument("name")
@REASON
@client_options
def remove_server(client: Client, name: str, reason: str) -> None:
    """Delete a server."""
    client.delete(f"{PATH}{_find(client, name)['id']}/", reason=reason)
    print(f"{name}\tdeleted")


@click.command("check")
@client_options
def check_servers(client: Client) -> None:
    """Check the health of every server now."""
    client.post(f"{PATH}check/")
    print("Requested. See: aiops tools list")


@click.command("refresh")
@client_options
def refresh_tools(client: Client) -> None:
    """Refresh the list of tools in every worker, and what health checks list."""
    client.post(f"{PATH}refresh/")
    print("Requested.")


COMMANDS = (
    *(list_servers, show_server, add_server, import_servers),
    *(set_status, remove_server, check_servers, refresh_tools),
)


def _print_tools(server: str, tools: Iterable[Row]) -> None:
    for tool in tools:
        if tool["problem"]:
            print(f"  {server}_{printable(tool['name'])} is refused: {printable(tool['problem'])}")
            continue
        first = printable((tool["description"].strip().splitlines() or [""])[0])
        changes = "" if tool["read_only"] else " (may change things)"
        print(f"  {server}_{printable(tool['name'])}{changes}: {first}")


def _print_others(row: Row) -> None:
    for prompt in row["prompts"] or ():
        names = " ".join(one["name"] if one["required"] else f"[{one['name']}]" for one in prompt["arguments"])
        print(f"  prompt {one_line(prompt['name'] + ' ' + names)}: {_first(prompt)}")
    for resource in row["resources"] or ():
        print(f"  resource {one_line(resource['uri'])}: {_first(resource)}")
    if row["lists_problem"]:
        print(f"  {one_line(row['lists_problem'])}")


def _first(entry: Row) -> str:
    """Return what a server says about a prompt or a resource, in one line."""
    lines = entry["description"].strip().splitlines()
    return printable(lines[0] if lines else entry.get("title") or entry["name"])


def _counted(tools: list[Row]) -> str:
    refused = sum(bool(tool["problem"]) for tool in tools)
    return str(len(tools) - refused) + (f" ({refused} refused)" if refused else "")


def _find(client: Client, name: str) -> Row:
    """Return the server of this name; raises CallFailed."""
    rows: list[Row] = client.get(PATH, search=name, limit=200)["results"]
    found = next((row for row in rows if row["name"] == name), None)
    if found is None:
        raise CallFailed(f"There is no tool server {name!r}: see aiops tools list.")
    return found


def _where(row: Row) -> str:
    return printable(" ".join([row["command"], *row["args"]]) if row["command"] else row["url"] + row["endpoint"])
