"""``aiops webhooks``: what was told to whom, and sending it anew."""

from __future__ import annotations

import json
import sys

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from aiops.terminal.acting import complain
from aiops.terminal.client import CallFailed, Client
from aiops.terminal.text import printable

OK = 0
COLOURS = {"delivered": "green", "failed": "red", "pending": "cyan"}


def list_(client: Client, *, state: str | None, limit: int, as_json: bool) -> int:
    """Print the newest deliveries; plain lines when piped."""
    try:
        rows = client.get("/api/webhooks/", state=state, limit=limit)["results"]
    except CallFailed as failed:
        return complain(failed)
    if as_json:
        print(json.dumps(rows, indent=2, ensure_ascii=False))
    elif not sys.stdout.isatty():
        for row in rows:
            print(row["id"], row["state"], row["event"], row["url"], sep="\t")
    elif not rows:
        print("Nothing was told yet: send a question or a batch with a webhook.")
    else:
        table = Table(box=None, pad_edge=False)
        for name in ("delivery", "state", "tries", "event", "to", "last answer"):
            table.add_column(name, no_wrap=name not in ("to", "last answer"))
        for row in rows:
            answer = escape(printable(f"{row['status'] or ''} {row['error']}".strip()))
            shown = f"[{COLOURS[row['state']]}]{row['state']}[/]"
            table.add_row(row["id"], shown, str(row["attempts"]), row["event"], escape(printable(row["url"])), answer)
        Console(highlight=False).print(table)
    return OK


def redeliver(client: Client, delivery_id: str) -> int:
    """Send a delivery anew."""
    try:
        said = client.post(f"/api/webhooks/{delivery_id}/redeliver/")
    except CallFailed as failed:
        return complain(failed)
    print(f"{said['id']}\t{said['state']}")
    return OK


def key(client: Client, *, renew: bool) -> int:
    """Print the signing key, another one when asked to."""
    path = "/api/webhooks/key/"
    try:
        print((client.post(path) if renew else client.get(path))["key"])
    except CallFailed as failed:
        return complain(failed)
    return OK
