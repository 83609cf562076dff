"""``aiops webhooks``: its commands; each imports what it needs when it is called."""

from __future__ import annotations

import sys
from uuid import UUID

import click

from config.cli_options import client_options


@click.group()
def webhooks() -> None:
    """What was told to whom when runs and batches ended."""


@webhooks.command("list")
@click.option("--state", type=click.Choice(["pending", "delivered", "failed"]))
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 200))
@click.option("--json", "as_json", is_flag=True)
@client_options
def webhooks_list(state: str | None, limit: int, as_json: bool, url: str | None) -> None:
    """Your deliveries, the newest first."""
    from aiops.terminal import webhooks as terminal
    from config.client import connect

    sys.exit(terminal.list_(connect(url), state=state, limit=limit, as_json=as_json))


@webhooks.command("redeliver")
@click.argument("delivery_id", type=click.UUID)
@client_options
def webhooks_redeliver(delivery_id: UUID, url: str | None) -> None:
    """Send a delivery anew, under the same id."""
    from aiops.terminal import webhooks as terminal
    from config.client import connect

    sys.exit(terminal.redeliver(connect(url), str(delivery_id)))


@webhooks.command("key")
@click.option("--renew", is_flag=True, help="Take another key from now on.")
@client_options
def webhooks_key(renew: bool, url: str | None) -> None:
    """The key that your receivers check signatures with."""
    from aiops.terminal import webhooks as terminal
    from config.client import connect

    sys.exit(terminal.key(connect(url), renew=renew))
