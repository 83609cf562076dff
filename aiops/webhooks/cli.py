"""``aiops webhooks``: list deliveries, send one again, show or replace the signing key."""

from __future__ import annotations

from uuid import UUID

import click
from rich.markup import escape

from aiops.terminal import listing
from aiops.terminal.client import Client
from aiops.terminal.options import client_options
from aiops.terminal.text import printable
from aiops.terminal.types import ID

COLOURS = {"pending": "cyan", "delivered": "green", "failed": "red"}
COLUMNS: dict[str, listing.Cell] = {
    "delivery": lambda row: row["id"],
    "state": lambda row: listing.coloured(row["state"], COLOURS),
    "attempts": lambda row: str(row["attempts"]),
    "event": lambda row: row["event"],
    "to": lambda row: escape(printable(row["url"])),
    "last answer": lambda row: escape(printable(f"{row['status'] or ''} {row['error']}".strip())),
}


@click.group()
def webhooks() -> None:
    """Show what was sent when runs and batches ended."""


@webhooks.command("list")
@click.option("--state", type=click.Choice(list(COLOURS)))
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 200))
@click.option("--json", "as_json", is_flag=True)
@client_options
def list_deliveries(client: Client, state: str | None, limit: int, as_json: bool) -> None:
    """List your deliveries, newest first."""
    listing.show(
        client.get("/api/webhooks/", state=state, limit=limit)["results"],
        as_json=as_json,
        plain=lambda row: (row["id"], row["state"], row["event"], row["url"]),
        table=lambda rows: listing.table(rows, COLUMNS, wrapping=("to", "last answer")),
        nothing="No webhook was sent yet: give a prompt, batch or schedule a webhook.",
    )


@webhooks.command("redeliver")
@click.argument("delivery_id", type=ID)
@client_options
def redeliver(client: Client, delivery_id: UUID) -> None:
    """Send a delivery again, under the same id."""
    row = client.post(f"/api/webhooks/{delivery_id}/redeliver/")
    print(f"{row['id']}\t{row['state']}")


@webhooks.command("key")
@click.option("--renew", is_flag=True, help="Replace the key first.")
@client_options
def show_key(client: Client, renew: bool) -> None:
    """Print the key that receivers verify signatures with."""
    path = "/api/webhooks/key/"
    print((client.post(path) if renew else client.get(path))["key"])
