"""``aiops tools``: tool servers, how they are, and changing them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from rich.markup import escape

from aiops.terminal import listing
from aiops.terminal.acting import told
from aiops.terminal.client import CallFailed, Client
from aiops.terminal.listing import Row
from aiops.terminal.text import printable

PATH = "/api/mcp-servers/"
COLOURS = {"healthy": "green", "failed": "red", "vulnerable": "red", "maintenance": "yellow", "unknown": "cyan"}
COLUMNS: dict[str, listing.Cell] = {
    "server": lambda row: row["name"],
    "status": lambda row: listing.coloured(row["status"], COLOURS) + (" (required)" if row["required"] else ""),
    "tools": lambda row: "-" if row["tools"] is None else str(len(row["tools"])),
    "where": lambda row: escape(_where(row)),
    "problem": lambda row: escape(printable(row["problem"])),
}


def place(where: Sequence[str], *, sse: bool) -> dict[str, Any]:
    """Return the fields that say where a server is: a URL, or a command with its arguments."""
    first, *rest = where
    parts = urlsplit(first)
    if parts.scheme not in ("http", "https"):
        return {"protocol": "stdio", "command": first, "args": rest}
    return {"protocol": "sse" if sse else "http", "url": first}


@told
def list_(client: Client, *, status: str | None, as_json: bool) -> None:
    """Print every server; plain lines when piped."""

    def plain(row: Row) -> tuple[object, ...]:
        return row["name"], row["status"], _where(row), printable(row["problem"])

    listing.show(
        client.get(PATH, status=status, limit=200)["results"],
        as_json=as_json,
        plain=plain,
        table=lambda rows: listing.table(rows, COLUMNS, wrapping=("where", "problem")),
        nothing="There is no tool server: aiops tools add NAME https://tools.example.org/mcp",
    )


@told
def show(client: Client, name: str, *, as_json: bool) -> None:
    """Print one server and its tools."""
    row = _find(client, name)
    if as_json:
        listing.dump(row)
        return
    print(f"server     {row['name']}")
    print(f"status     {row['status']}" + (f": {printable(row['problem'])}" if row["problem"] else ""))
    print(f"where      {_where(row)} ({row['protocol']}, {row['place']})")
    print(f"required   {'yes' if row['required'] else 'no'}")
    print(f"looked at  {row['checked_at'] or 'not yet'}")
    for tool in row["tools"] or ():
        first = printable((tool["description"].strip().splitlines() or [""])[0])
        changes = "" if tool["read_only"] else " (may change things)"
        print(f"  {row['name']}_{printable(tool['name'])}{changes}: {first}")


@told
def add(client: Client, asked: dict[str, Any]) -> None:
    """Add a server."""
    made = client.post(PATH, asked)
    print(f"{made['name']}\t{made['status']}")
    print("It serves when three looks, five seconds apart, found it well: aiops tools list", file=sys.stderr)


@told
def set_status(client: Client, name: str, status: str) -> None:
    """Change a server's status."""
    made = client.patch(f"{PATH}{_find(client, name)['id']}/", {"status": status})
    print(f"{made['name']}\t{made['status']}")


@told
def remove(client: Client, name: str) -> None:
    """Delete a server."""
    client.delete(f"{PATH}{_find(client, name)['id']}/")
    print(f"{name}\tdeleted")


@told
def ask(client: Client, what: str) -> None:
    """Have all servers looked at, or their tools listed anew."""
    client.post(f"{PATH}{what}/")
    print("Asked. See: aiops tools list" if what == "check" else "Asked.")


def _find(client: Client, name: str) -> Row:
    """Return the server of this name; raises CallFailed."""
    rows: list[Row] = client.get(PATH, search=name, limit=200)["results"]
    found = next((row for row in rows if row["name"] == name), None)
    if found is None:
        raise CallFailed(f"There is no tool server {name!r}: see aiops tools list.")
    return found


def _where(row: Row) -> str:
    return printable(" ".join([row["command"], *row["args"]]) if row["command"] else row["url"] + row["endpoint"])
