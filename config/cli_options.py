"""Options and commands that several groups have."""

from __future__ import annotations

import importlib
import sys
from uuid import UUID

import click

client_options = click.option("--url", help="The server  [default: AIOPS_URL, or the home's]")
_one = click.argument("one", metavar="ID", type=click.UUID)


def action(group: click.Group, what: str, text: str, *, by: str) -> None:
    """Add the command ``what ID``, which the module ``by`` of ``aiops.terminal`` carries out."""

    @group.command(what, help=text)
    @_one
    @client_options
    def command(one: UUID, url: str | None) -> None:
        from config.client import connect

        sys.exit(importlib.import_module(f"aiops.terminal.{by}").act(connect(url), str(one), what))


def deletion(group: click.Group, text: str, *, path: str) -> None:
    """Add the command ``delete ID`` for what is at ``path``."""

    @group.command("delete", help=text)
    @_one
    @client_options
    def command(one: UUID, url: str | None) -> None:
        from aiops.terminal.acting import delete
        from config.client import connect

        sys.exit(delete(connect(url), f"{path}{one}/"))
