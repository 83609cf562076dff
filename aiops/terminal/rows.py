"""Commands for rows that configure aiops: show, change, remove, export and import them by name."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from aiops.terminal import listing
from aiops.terminal.client import CallFailed, Client
from aiops.terminal.listing import Row
from aiops.terminal.options import client_options
from aiops.terminal.text import one_line, printable, when

OF_SERVER = ("id", "created_at", "updated_at")
"""Fields that an exported row has and a new one cannot."""
JSON = click.option("--json", "as_json", is_flag=True)
REASON = click.option("--reason", default="", help="Why, for the change log.")
FIELDS = click.argument("fields", nargs=-1, metavar="[FIELD=VALUE]...")
FILE = click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))


def add_commands(group: click.Group, path: str, what: str, *, later: Sequence[str] = ()) -> None:
    """Add show, set, remove, export and import; ``later`` are fields that refer to other rows of the same file."""

    @group.command("show", help=f"Show a {what} with its last changes.")
    @click.argument("name")
    @JSON
    @client_options
    def show(client: Client, name: str, as_json: bool) -> None:
        row = find(client, path, name)
        if as_json:
            listing.dump(row)
            return
        shown = {name: value for name, value in row.items() if value not in (None, "", [], {})}
        listing.print_facts({name: one_line(_text(value)) for name, value in shown.items()})
        for entry in client.get(f"{path}{row['id']}/history/", limit=5)["results"]:
            changes = "; ".join(f"{field}: {before} -> {after}" for field, (before, after) in entry["changes"].items())
            said = f" ({entry['reason']})" if entry["reason"] else ""
            what_changed = f": {changes}" if entry["action"] == "update" else ""
            print(one_line(f"{when(entry['at'])} {entry['actor'] or '-'} {entry['action']}{what_changed}{said}"))

    @group.command("set", help=f"Change fields of a {what}; FIELD= empties one.")
    @click.argument("name")
    @FIELDS
    @REASON
    @client_options
    def change(client: Client, name: str, fields: tuple[str, ...], reason: str) -> None:
        row, wanted = find(client, path, name), given(fields)
        if not wanted:
            raise click.UsageError("Name the fields to change: FIELD=VALUE.")
        merged = {
            field: {**row[field], **value} if isinstance(value, dict) and isinstance(row.get(field), dict) else value
            for field, value in wanted.items()
        }
        client.patch(
            f"{path}{row['id']}/", {field: _without_none(value) for field, value in merged.items()}, reason=reason
        )
        print(f"{name}\tchanged")

    @group.command("remove", help=f"Delete a {what} that nothing uses.")
    @click.argument("name")
    @REASON
    @client_options
    def remove(client: Client, name: str, reason: str) -> None:
        client.delete(f"{path}{find(client, path, name)['id']}/", reason=reason)
        print(f"{name}\tdeleted")

    add_files(group, path, what, later=later)


def add_files(group: click.Group, path: str, what: str, *, later: Sequence[str] = (), secret: bool = False) -> None:
    """Add export and import; ``secret``: the server keeps no digest of what is sent."""

    @group.command("export", help=f"Print all {what}s as JSON, which import reads; secrets are named, not written.")
    @client_options
    def export(client: Client) -> None:
        rows = all_rows(client, path)
        listing.dump([{name: value for name, value in row.items() if name not in OF_SERVER} for row in rows])

    @group.command("import", help=f"Add or change the {what}s of a JSON file, by name.")
    @FILE
    @REASON
    @client_options
    def import_(client: Client, file: Path, reason: str) -> None:
        rows = _read(file)
        known = {row["name"]: row for row in all_rows(client, path)}
        new = [row for row in rows if row["name"] not in known]
        if new:
            first = [{name: value for name, value in row.items() if name not in later} for row in new]
            known |= {row["name"]: row for row in client.post(path, first, secret=secret, reason=reason)}
        changed = [
            {"id": known[row["name"]]["id"], **row}
            for row in rows
            if any(known[row["name"]].get(field) != value for field, value in row.items())
        ]
        if changed:
            client.patch(path, changed, reason=reason)
        count = len([row for row in changed if row["name"] not in {one["name"] for one in new}])
        print(f"{len(new)} added, {count} changed, {len(rows) - len(new) - count} unchanged")


def _read(file: Path) -> list[Row]:
    try:
        rows = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CallFailed(
            f"{file} cannot be read as JSON, as export writes it (CSV files go through the administration): {error}"
        ) from error
    if not isinstance(rows, list) or not all(
        isinstance(row, dict) and isinstance(row.get("name"), str) for row in rows
    ):
        raise CallFailed(f"{file} is no list of objects that have a name, as export writes it.")
    return rows


def all_rows(client: Client, path: str, **filters: str | None) -> list[Row]:
    rows: list[Row] = []
    page = client.get(path, limit=200, **filters)
    while True:
        rows += page["results"]
        if not page["next"]:
            return rows
        page = client.get(path + "?" + page["next"].partition("?")[2])


def find(client: Client, path: str, name: str) -> Row:
    """Return the row of this name; raises CallFailed."""
    rows: list[Row] = client.get(path, search=name, limit=200)["results"]
    found = next((row for row in rows if row["name"] == name), None)
    if found is None:
        raise CallFailed(f"There is no {name!r}: see the list.")
    return found


def given(fields: tuple[str, ...]) -> dict[str, Any]:
    """Return FIELD=VALUE pairs as the API takes them: JSON where it is JSON, else text; a.b=c is a member of a."""
    given: dict[str, Any] = {}
    for pair in fields:
        field, equals, written = pair.partition("=")
        if not equals or not field:
            raise click.UsageError(f"{pair!r} is not FIELD=VALUE.")
        name, _, member = field.partition(".")
        value = _value(written)
        if member:
            given.setdefault(name, {})[member] = value
        else:
            given[name] = value
    return given


def _value(written: str) -> Any:
    if not written:
        return None
    try:
        return json.loads(written)
    except ValueError:
        return written


def _without_none(value: Any) -> Any:
    return {name: one for name, one in value.items() if one is not None} if isinstance(value, dict) else value


def _text(value: Any) -> str:
    return printable(value) if isinstance(value, str) else json.dumps(value)
