"""``aiops tools credential``: one's own credentials for tool servers; a value is read from standard input."""

from __future__ import annotations

import click
from rich.markup import escape

from aiops.terminal import listing
from aiops.terminal.client import CallFailed, Client
from aiops.terminal.listing import Row
from aiops.terminal.options import client_options
from aiops.terminal.rows import all_rows
from aiops.terminal.secrets import typed_or_piped
from aiops.terminal.text import printable, when

PATH = "/api/tool-credentials/"
COLUMNS: dict[str, listing.Cell] = {
    "server": lambda row: row["server"],
    "changed": lambda row: when(row["updated_at"]),
    "problem": lambda row: escape(printable(row["problem"])),
}


@click.group()
def credential() -> None:
    """Your own credentials for tool servers that get each person's own."""


@credential.command("list")
@click.option("--json", "as_json", is_flag=True)
@client_options
def list_credentials(client: Client, as_json: bool) -> None:
    """List the servers that you have entered a credential for."""
    listing.show(
        all_rows(client, PATH),
        as_json=as_json,
        plain=lambda row: (row["server"], printable(row["problem"])),
        table=lambda rows: listing.table(rows, COLUMNS, wrapping=("problem",)),
        nothing="You have entered none: aiops tools credential set SERVER",
    )


@credential.command("set")
@click.argument("server")
@client_options
def set_credential(client: Client, server: str) -> None:
    """Store your credential for SERVER, or replace it; it is asked for, or read from standard input."""
    found, secret = _found(client, server), typed_or_piped("Credential")
    if found is None:
        client.post(PATH, {"server": server, "secret": secret}, secret=True)
    else:
        client.patch(f"{PATH}{found['id']}/", {"secret": secret})
    print(f"{server}\t{'set' if found is None else 'changed'}")


@credential.command("remove")
@click.argument("server")
@client_options
def remove_credential(client: Client, server: str) -> None:
    """Remove your credential for SERVER."""
    if (found := _found(client, server)) is None:
        raise CallFailed(f"You have no credential for {server!r}: see aiops tools credential list.")
    client.delete(f"{PATH}{found['id']}/")
    print(f"{server}\tremoved")


def _found(client: Client, server: str) -> Row | None:
    return next((row for row in all_rows(client, PATH) if row["server"] == server), None)
