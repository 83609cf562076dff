"""``aiops webhooks``: what was told to whom, and sending it anew."""

from __future__ import annotations

from rich.markup import escape

from aiops.terminal import listing
from aiops.terminal.acting import told
from aiops.terminal.client import Client
from aiops.terminal.listing import Row
from aiops.terminal.text import printable

COLOURS = {"delivered": "green", "failed": "red", "pending": "cyan"}
COLUMNS: dict[str, listing.Cell] = {
    "delivery": lambda row: row["id"],
    "state": lambda row: listing.coloured(row["state"], COLOURS),
    "tries": lambda row: str(row["attempts"]),
    "event": lambda row: row["event"],
    "to": lambda row: escape(printable(row["url"])),
    "last answer": lambda row: escape(printable(f"{row['status'] or ''} {row['error']}".strip())),
}


@told
def list_(client: Client, *, state: str | None, limit: int, as_json: bool) -> None:
    """Print the newest deliveries; plain lines when piped."""

    def plain(row: Row) -> tuple[object, ...]:
        return row["id"], row["state"], row["event"], row["url"]

    listing.show(
        client.get("/api/webhooks/", state=state, limit=limit)["results"],
        as_json=as_json,
        plain=plain,
        table=lambda rows: listing.table(rows, COLUMNS, wrapping=("to", "last answer")),
        nothing="Nothing was told yet: send a question or a batch with a webhook.",
    )


@told
def redeliver(client: Client, delivery_id: str) -> None:
    """Send a delivery anew."""
    said = client.post(f"/api/webhooks/{delivery_id}/redeliver/")
    print(f"{said['id']}\t{said['state']}")


@told
def key(client: Client, *, renew: bool) -> None:
    """Print the signing key, another one when asked to."""
    path = "/api/webhooks/key/"
    print((client.post(path) if renew else client.get(path))["key"])
