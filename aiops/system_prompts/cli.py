"""``aiops prompts``: list, show, add, change, export and import system prompts."""

from __future__ import annotations

from typing import TextIO

import click
from rich.markup import escape

from aiops.terminal import listing
from aiops.terminal.client import Client
from aiops.terminal.options import client_options
from aiops.terminal.rows import FIELDS, JSON, REASON, add_commands, all_rows, given

PATH = "/api/system-prompts/"
COLUMNS: dict[str, listing.Cell] = {
    "prompt": lambda row: escape(row["name"]),
    "status": lambda row: row["status"],
    "version": lambda row: str(row["version"]),
}


@click.group()
def prompts() -> None:
    """List and change system prompts of models."""


@prompts.command("list")
@JSON
@client_options
def list_prompts(client: Client, as_json: bool) -> None:
    """List system prompts."""
    listing.show(
        all_rows(client, PATH),
        as_json=as_json,
        plain=lambda row: (row["name"], row["status"], row["version"]),
        table=lambda rows: listing.table(rows, COLUMNS),
        nothing="There is no system prompt: aiops prompts add NAME --file prompt.txt",
    )


@prompts.command("add")
@click.argument("name")
@click.option("--file", type=click.File(encoding="utf-8"), default="-", help="Its text; default: standard input.")
@click.option("--approved", is_flag=True, help="Models can use it.")
@FIELDS
@REASON
@client_options
def add_prompt(client: Client, name: str, file: TextIO, approved: bool, fields: tuple[str, ...], reason: str) -> None:
    """Add the system prompt NAME, as a draft unless --approved."""
    body = {"name": name, "prompt_text": file.read(), "status": "approved" if approved else "draft", **given(fields)}
    made = client.post(PATH, body, reason=reason)
    print(f"{made['name']}\t{made['status']}\tversion {made['version']}")


add_commands(prompts, PATH, "system prompt")
