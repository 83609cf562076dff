from __future__ import annotations

import click

from aiops.terminal.client import Client
from aiops.terminal.options import client_options


@click.command()
@client_options
def tickets(client: Client) -> None:
    """Tickets, one in a line."""
    for row in client.get("/api/tickets/")["results"]:
        print(row["id"], row["state"], row["title"], sep="\t")
