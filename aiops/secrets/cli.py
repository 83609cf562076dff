"""``aiops secrets``: list, add, change, check and remove secrets; a value is read from standard input, never shown."""

from __future__ import annotations

from typing import Any

import click
from rich.markup import escape

from aiops.terminal import listing
from aiops.terminal.client import CallFailed, Client
from aiops.terminal.exit_codes import FAILED, OK
from aiops.terminal.listing import Row
from aiops.terminal.options import client_options
from aiops.terminal.rows import REASON, add_files
from aiops.terminal.secrets import typed_or_piped
from aiops.terminal.text import printable

PATH = "/api/secrets/"
KINDS = ("env", "file", "vault", "stored")
COLUMNS: dict[str, listing.Cell] = {
    "secret": lambda row: row["name"],
    "kind": lambda row: row["kind"],
    "where": lambda row: escape(printable(row["reference"])) or "in the database",
}


@click.group()
def secrets() -> None:
    """List and change secrets, which tool servers refer to by name."""


@secrets.command("list")
@click.option("--kind", type=click.Choice(KINDS))
@click.option("--json", "as_json", is_flag=True)
@client_options
def list_secrets(client: Client, kind: str | None, as_json: bool) -> None:
    """List secrets: where each is, not what it is."""
    listing.show(
        client.get(PATH, kind=kind, limit=200)["results"],
        as_json=as_json,
        plain=lambda row: (row["name"], row["kind"], row["reference"]),
        table=lambda rows: listing.table(rows, COLUMNS, wrapping=("where",)),
        nothing="There is no secret: aiops secrets add NAME --env AIOPS_SECRET_NETBOX",
    )


@secrets.command("show")
@click.argument("name")
@click.option("--json", "as_json", is_flag=True)
@client_options
def show_secret(client: Client, name: str, as_json: bool) -> None:
    """Show where a secret is."""
    row = _find(client, name)
    if as_json:
        listing.dump(row)
        return
    for label, value in (("secret", row["name"]), ("kind", row["kind"]), ("where", COLUMNS["where"](row))):
        print(f"{label:<11}{value}")


@secrets.command("add")
@click.argument("name")
@click.option("--env", metavar="VARIABLE", help="A variable of the workers, AIOPS_SECRET_….")
@click.option("--file", "path", metavar="PATH", help="A file below AIOPS_SECRETS_DIR of the workers.")
@click.option("--vault", metavar="MOUNT:PATH#FIELD", help="A field in HashiCorp Vault (KV version 2).")
@click.option("--stored", is_flag=True, help="Store the value, encrypted; it is read from standard input.")
@REASON
@client_options
def add_secret(
    client: Client, name: str, env: str | None, path: str | None, vault: str | None, stored: bool, reason: str
) -> None:
    """Add the secret NAME. Without an option its value is asked for and stored, encrypted."""
    given = [(kind, one) for kind, one in (("env", env), ("file", path), ("vault", vault)) if one]
    if len(given) + stored > 1:
        raise click.UsageError("Give one of --env, --file, --vault and --stored.")
    request: dict[str, Any] = {"name": name, "kind": "stored"}
    if given:
        ((request["kind"], request["reference"]),) = given
    else:
        request["value"] = typed_or_piped()
    made = client.post(PATH, request, secret=True, reason=reason)
    print(f"{made['name']}\t{made['kind']}")


@secrets.command("set")
@click.argument("name")
@REASON
@client_options
def set_secret(client: Client, name: str, reason: str) -> None:
    """Replace the stored value of a secret; it is read from standard input."""
    path = f"{PATH}{_find(client, name)['id']}/"
    made = client.patch(path, {"kind": "stored", "value": typed_or_piped()}, reason=reason)
    print(f"{made['name']}\tchanged")


@secrets.command("check")
@click.argument("name")
@client_options
def check_secret(client: Client, name: str) -> int:
    """Let a worker read a secret, and say whether it could; exits with 1 if not."""
    found = client.post(f"{PATH}{_find(client, name)['id']}/check/")
    print("A worker can read it." if found["resolves"] else printable(found["problem"]))
    return OK if found["resolves"] else FAILED


@secrets.command("remove")
@click.argument("name")
@REASON
@client_options
def remove_secret(client: Client, name: str, reason: str) -> None:
    """Delete a secret that nothing refers to."""
    client.delete(f"{PATH}{_find(client, name)['id']}/", reason=reason)
    print(f"{name}\tdeleted")


add_files(secrets, PATH, "secret", secret=True)


def _find(client: Client, name: str) -> Row:
    """Return the secret of this name; raises CallFailed."""
    rows: list[Row] = client.get(PATH, search=name, limit=200)["results"]
    found = next((row for row in rows if row["name"] == name), None)
    if found is None:
        raise CallFailed(f"There is no secret {name!r}: see aiops secrets list.")
    return found
