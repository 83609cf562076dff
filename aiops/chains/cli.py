"""``aiops middleware``: list, add, change and remove the middleware of models."""

from __future__ import annotations

import json

import click
from rich.markup import escape

from aiops.terminal import listing
from aiops.terminal.client import CallFailed, Client
from aiops.terminal.exit_codes import FAILED, OK
from aiops.terminal.listing import Row
from aiops.terminal.options import client_options
from aiops.terminal.rows import FIELDS, JSON, REASON, all_rows, find, given
from aiops.terminal.text import one_line, printable

PATH, TYPES = "/api/llm-middleware/", "/api/middleware-types/"
COLUMNS: dict[str, listing.Cell] = {
    "model": lambda row: escape(row["llm_model"]),
    "priority": lambda row: str(row["priority"]),
    "middleware": lambda row: escape(row["middleware"]),
    "config": lambda row: escape(one_line(json.dumps(row["config"]))),
    "state": lambda row: _state(row),
}
TYPE_COLUMNS: dict[str, listing.Cell] = {
    "type": lambda row: escape(row["name"]),
    "from": lambda row: "a package" if row["is_custom"] else "aiops",
    "what it does": lambda row: escape(one_line(row["description"])),
}


@click.group()
def middleware() -> None:
    """List and change the middleware of models."""


@middleware.command("types")
@JSON
@client_options
def list_types(client: Client, as_json: bool) -> None:
    """List what a model can be given."""
    listing.show(
        all_rows(client, TYPES),
        as_json=as_json,
        plain=lambda row: (row["name"], row["path"]),
        table=lambda rows: listing.table(rows, TYPE_COLUMNS, wrapping=("what it does",)),
        nothing="There is no type: aiops manage migrate makes the built-in ones",
    )


@middleware.command("list")
@click.option("--model", help="Only of this model.")
@JSON
@client_options
def list_middleware(client: Client, model: str | None, as_json: bool) -> None:
    """List the middleware of models, outermost first."""
    rows = [row for row in all_rows(client, PATH) if model in (None, row["llm_model"])]
    listing.show(
        sorted(rows, key=lambda row: (row["llm_model"], row["priority"], row["middleware"])),
        as_json=as_json,
        plain=lambda row: (
            *(row["llm_model"], row["priority"], row["middleware"], json.dumps(row["config"])),
            _state(row),
        ),
        table=lambda rows: listing.table(rows, COLUMNS, wrapping=("config",)),
        nothing="No model has one: aiops middleware add MODEL LoggingMiddleware",
    )


@middleware.command("add")
@click.argument("model")
@click.argument("name")
@FIELDS
@REASON
@client_options
def add(client: Client, model: str, name: str, fields: tuple[str, ...], reason: str) -> None:
    """Give MODEL the middleware NAME, such as: CacheMiddleware config.ttl_s=3600 priority=20 is_critical=true."""
    made = client.post(PATH, {"llm_model": model, "middleware": name, **given(fields)}, reason=reason)
    print(f"{made['llm_model']}\t{made['middleware']}\tpriority {made['priority']}")


@middleware.command("set")
@click.argument("model")
@click.argument("name")
@FIELDS
@REASON
@client_options
def change(client: Client, model: str, name: str, fields: tuple[str, ...], reason: str) -> None:
    """Change the middleware NAME of MODEL; config is replaced as a whole."""
    if not (wanted := given(fields)):
        raise click.UsageError("Name the fields to change: FIELD=VALUE.")
    client.patch(f"{PATH}{_find(client, model, name)['id']}/", wanted, reason=reason)
    print(f"{model}\t{name}\tchanged")


@middleware.command("check")
@click.argument("model")
@click.argument("name")
@client_options
def check(client: Client, model: str, name: str) -> int:
    """Let a worker build the middleware NAME of MODEL, and say whether it could; exits with 1 if not."""
    found = client.post(f"{PATH}{_find(client, model, name)['id']}/check/")
    print("A worker can build it." if found["builds"] else printable(found["problem"]))
    return OK if found["builds"] else FAILED


@middleware.command("remove")
@click.argument("model")
@click.argument("name")
@REASON
@client_options
def remove(client: Client, model: str, name: str, reason: str) -> None:
    """Take the middleware NAME from MODEL."""
    client.delete(f"{PATH}{_find(client, model, name)['id']}/", reason=reason)
    print(f"{model}\t{name}\tremoved")


def _state(row: Row) -> str:
    return ("active" if row["is_active"] else "off") + (", critical" if row["is_critical"] else "")


def _find(client: Client, model: str, name: str) -> Row:
    find(client, "/api/llm-models/", model)
    rows: list[Row] = client.get(PATH, llm_model=model, middleware=name)["results"]
    if not rows:
        raise CallFailed(f"{model!r} has no {name!r}: see aiops middleware list.")
    return rows[0]
