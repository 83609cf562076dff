"""``aiops models`` and ``aiops providers``: list, show, add, change, try, export and import them."""

from __future__ import annotations

import json

import click
from rich.markup import escape

from aiops.terminal import listing, live
from aiops.terminal.client import Client
from aiops.terminal.listing import Row
from aiops.terminal.options import client_options
from aiops.terminal.rows import FIELDS, REASON, add_commands, all_rows, find, given
from aiops.terminal.text import money, one_line

MODELS, PROVIDERS = "/api/llm-models/", "/api/llm-providers/"
REFERENCES = ("advanced_model", "advanced_patterns", "fallbacks", "is_default")
"""Fields of a model that wait until all models of a file are there."""
MODEL_COLUMNS: dict[str, listing.Cell] = {
    "model": lambda row: escape(row["name"]) + (" [green](default)[/]" if row["is_default"] else ""),
    "provider": lambda row: escape(row["provider"]),
    "secret": lambda row: escape(row["model_secret_key"] or "-"),
    "price in/out": lambda row: _price(row),
    "state": lambda row: "enabled" if row["is_enabled"] else "[yellow]not enabled[/]",
}
PROVIDER_COLUMNS: dict[str, listing.Cell] = {
    "provider": lambda row: escape(row["name"]),
    "kind": lambda row: escape(row["handler"]),
    "settings": lambda row: escape(one_line(json.dumps(row["config_schema"]))),
    "state": lambda row: "enabled" if row["is_enabled"] else "[yellow]not enabled[/]",
}
_json = click.option("--json", "as_json", is_flag=True)


@click.group()
def models() -> None:
    """List and change language models."""


@click.group()
def providers() -> None:
    """List and change providers of language models."""


@models.command("list")
@_json
@client_options
def list_models(client: Client, as_json: bool) -> None:
    """List models."""
    listing.show(
        all_rows(client, MODELS),
        as_json=as_json,
        plain=lambda row: (row["name"], row["provider"], "default" if row["is_default"] else "-"),
        table=lambda rows: listing.table(rows, MODEL_COLUMNS),
        nothing="There is no model: aiops models add NAME --provider PROVIDER",
    )


@providers.command("list")
@_json
@client_options
def list_providers(client: Client, as_json: bool) -> None:
    """List providers."""
    listing.show(
        all_rows(client, PROVIDERS),
        as_json=as_json,
        plain=lambda row: (row["name"], row["handler"], json.dumps(row["config_schema"])),
        table=lambda rows: listing.table(rows, PROVIDER_COLUMNS, wrapping=("settings",)),
        nothing="There is no provider: aiops providers add NAME --kind ollama",
    )


@models.command("add")
@click.argument("name")
@click.option("--provider", required=True, help="Name of its provider.")
@click.option("--secret", help="Name of the secret that holds its API key.")
@click.option("--default", "is_default", is_flag=True, help="Let it answer what names no model.")
@FIELDS
@REASON
@client_options
def add_model(
    client: Client, name: str, provider: str, secret: str | None, is_default: bool, fields: tuple[str, ...], reason: str
) -> None:
    """Add the model NAME. FIELD=VALUE sets its other fields: temperature=0.2 model_config.num_ctx=8192 price_in=2.5."""
    body = {"name": name, "provider": provider, "is_default": is_default, **given(fields)}
    made = client.post(MODELS, body | ({"model_secret_key": secret} if secret else {}), reason=reason)
    print(f"{made['name']}\t{made['provider']}\t{'default' if made['is_default'] else 'added'}")


@providers.command("add")
@click.argument("name")
@click.option("--kind", required=True, help="ollama, openai, azure_ai, anthropic, huggingface or offline.")
@FIELDS
@REASON
@client_options
def add_provider(client: Client, name: str, kind: str, fields: tuple[str, ...], reason: str) -> None:
    """Add the provider NAME. FIELD=VALUE sets its other fields: config_schema.base_url=https://vllm.example.org/v1."""
    made = client.post(PROVIDERS, {"name": name, "handler": kind, **given(fields)}, reason=reason)
    print(f"{made['name']}\t{made['handler']}\tadded")


@models.command("default")
@click.argument("name")
@REASON
@client_options
def make_default(client: Client, name: str, reason: str) -> None:
    """Let a model answer what names no model."""
    client.post(f"{MODELS}{find(client, MODELS, name)['id']}/make-default/", reason=reason)
    print(f"{name}\tdefault")


@models.command("try")
@click.argument("name")
@click.argument("question", default="Which model are you? Answer in one sentence.")
@client_options
def try_model(client: Client, name: str, question: str) -> int:
    """Ask a model one question; show the answer, and where the call went."""
    asked = client.post(f"{MODELS}{find(client, MODELS, name)['id']}/try/", {"message": question})
    code = live.watch(client, asked["id"])
    run = client.get(asked["links"]["self"])
    used = run["usage"] or {}
    target = asked["target"]
    listing.print_facts(
        {
            "model": used.get("model"),
            "tokens": f"{used.get('input_tokens', 0)} in, {used.get('output_tokens', 0)} out",
            "cost": money(used["cost"]) if used.get("cost") else None,
            "url": target.get("url") or None,
            "deployment": target.get("deployment"),
            "api version": target.get("api_version"),
        }
    )
    return code


add_commands(models, MODELS, "model", later=REFERENCES)
add_commands(providers, PROVIDERS, "provider")


def _price(row: Row) -> str:
    return f"{money(row['price_in'])} / {money(row['price_out'])}" if row["price_in"] and row["price_out"] else "-"
