"""``aiops tools``: tool servers, how they are, and changing them."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from aiops.terminal.acting import complain
from aiops.terminal.client import CallFailed, Client
from aiops.terminal.text import printable

OK = 0
PATH = "/api/mcp-servers/"
COLOURS = {"healthy": "green", "failed": "red", "vulnerable": "red", "maintenance": "yellow", "unknown": "cyan"}


def place(where: Sequence[str], *, sse: bool) -> dict[str, Any]:
    """Return the fields that say where a server is: a URL, or a command with its arguments."""
    first, *rest = where
    parts = urlsplit(first)
    if parts.scheme not in ("http", "https"):
        return {"protocol": "stdio", "command": first, "args": rest}
    return {"protocol": "sse" if sse else "http", "url": first}


def list_(client: Client, *, status: str | None, as_json: bool) -> int:
    """Print every server; plain lines when piped."""
    try:
        rows = client.get(PATH, status=status, limit=200)["results"]
    except CallFailed as failed:
        return complain(failed)
    if as_json:
        print(json.dumps(rows, indent=2, ensure_ascii=False))
    elif not sys.stdout.isatty():
        for row in rows:
            print(row["name"], row["status"], _where(row), printable(row["problem"]), sep="\t")
    elif not rows:
        print("There is no tool server: aiops tools add NAME https://tools.example.org/mcp")
    else:
        table = Table(box=None, pad_edge=False)
        for name in ("server", "status", "tools", "where", "problem"):
            table.add_column(name, no_wrap=name not in ("where", "problem"))
        for row in rows:
            shown = f"[{COLOURS[row['status']]}]{row['status']}[/]" + (" (required)" if row["required"] else "")
            offered = "-" if row["tools"] is None else str(len(row["tools"]))
            table.add_row(row["name"], shown, offered, escape(_where(row)), escape(printable(row["problem"])))
        Console(highlight=False).print(table)
    return OK


def show(client: Client, name: str, *, as_json: bool) -> int:
    """Print one server and its tools."""
    try:
        row = _find(client, name)
    except CallFailed as failed:
        return complain(failed)
    if as_json:
        print(json.dumps(row, indent=2, ensure_ascii=False))
        return OK
    print(f"server     {row['name']}")
    print(f"status     {row['status']}" + (f": {printable(row['problem'])}" if row["problem"] else ""))
    print(f"where      {_where(row)} ({row['protocol']}, {row['place']})")
    print(f"required   {'yes' if row['required'] else 'no'}")
    print(f"looked at  {row['checked_at'] or 'not yet'}")
    for tool in row["tools"] or ():
        first = printable((tool["description"].strip().splitlines() or [""])[0])
        print(
            f"  {row['name']}_{printable(tool['name'])}{'' if tool['read_only'] else ' (may change things)'}: {first}"
        )
    return OK


def add(client: Client, asked: dict[str, Any]) -> int:
    """Add a server."""
    try:
        made = client.post(PATH, asked)
    except CallFailed as failed:
        return complain(failed)
    print(f"{made['name']}\t{made['status']}")
    print("It serves when three looks, five seconds apart, found it well: aiops tools list", file=sys.stderr)
    return OK


def set_status(client: Client, name: str, status: str) -> int:
    """Change a server's status."""
    try:
        made = client.patch(f"{PATH}{_find(client, name)['id']}/", {"status": status})
    except CallFailed as failed:
        return complain(failed)
    print(f"{made['name']}\t{made['status']}")
    return OK


def remove(client: Client, name: str) -> int:
    """Delete a server."""
    try:
        client.delete(f"{PATH}{_find(client, name)['id']}/")
    except CallFailed as failed:
        return complain(failed)
    print(f"{name}\tdeleted")
    return OK


def ask(client: Client, what: str) -> int:
    """Have all servers looked at, or their tools listed anew."""
    try:
        client.post(f"{PATH}{what}/")
    except CallFailed as failed:
        return complain(failed)
    print("Asked. See: aiops tools list" if what == "check" else "Asked.")
    return OK


def _find(client: Client, name: str) -> dict[str, Any]:
    """Return the server of this name; raises CallFailed."""
    rows: list[dict[str, Any]] = client.get(PATH, search=name, limit=200)["results"]
    found = next((row for row in rows if row["name"] == name), None)
    if found is None:
        raise CallFailed(f"There is no tool server {name!r}: see aiops tools list.")
    return found


def _where(row: dict[str, Any]) -> str:
    return printable(" ".join([row["command"], *row["args"]]) if row["command"] else row["url"] + row["endpoint"])
