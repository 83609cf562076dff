"""``aiops tools``: its commands; each imports what it needs when it is called."""

from __future__ import annotations

import sys

import click

from config.cli_options import client_options

STATUS = click.Choice(["healthy", "failed", "unknown", "maintenance", "vulnerable"])


@click.group()
def tools() -> None:
    """Tool servers: what there is, how it is, and changing it."""


@tools.command("list")
@click.option("--status", type=STATUS)
@click.option("--json", "as_json", is_flag=True)
@client_options
def tools_list(status: str | None, as_json: bool, url: str | None) -> None:
    """Every tool server, and whether it is well."""
    from aiops.terminal import tools as terminal
    from config.client import connect

    sys.exit(terminal.list_(connect(url), status=status, as_json=as_json))


@tools.command("show")
@click.argument("name")
@click.option("--json", "as_json", is_flag=True)
@client_options
def tools_show(name: str, as_json: bool, url: str | None) -> None:
    """One tool server and what it offers."""
    from aiops.terminal import tools as terminal
    from config.client import connect

    sys.exit(terminal.show(connect(url), name, as_json=as_json))


@tools.command("add")
@click.argument("name")
@click.argument("where", nargs=-1, required=True)
@click.option("--sse", is_flag=True, help="Speak the older HTTP with SSE.")
@click.option("--external", is_flag=True, help="Reach it by https at public addresses alone.")
@click.option("--required", is_flag=True, help="Answer nothing without it.")
@click.option("--header", "headers", multiple=True, metavar="NAME=env:AIOPS_SECRET_…", help="May be repeated.")
@click.option("--env", "variables", multiple=True, metavar="NAME=VALUE", help="Of a command; may be repeated.")
@client_options
def tools_add(
    name: str,
    where: tuple[str, ...],
    sse: bool,
    external: bool,
    required: bool,
    headers: tuple[str, ...],
    variables: tuple[str, ...],
    url: str | None,
) -> None:
    """Add the server NAME at WHERE: its URL, or (after --) a command with its arguments."""
    from aiops.terminal import tools as terminal
    from config.client import connect

    found = terminal.place(where, sse=sse)
    if sse and found["protocol"] == "stdio":
        raise click.UsageError("--sse goes with a URL.")
    asked = {
        **found,
        "name": name,
        "place": "external" if external else "internal",
        "required": required,
        **({"headers": _pairs(headers)} if headers else {}),
        **({"env": _pairs(variables)} if variables else {}),
    }
    sys.exit(terminal.add(connect(url), asked))


@tools.command("set")
@click.argument("name")
@click.argument("status", type=STATUS)
@client_options
def tools_set(name: str, status: str, url: str | None) -> None:
    """Take a server out of service (maintenance, vulnerable) or back (unknown: it is looked at)."""
    from aiops.terminal import tools as terminal
    from config.client import connect

    sys.exit(terminal.set_status(connect(url), name, status))


@tools.command("remove")
@click.argument("name")
@client_options
def tools_remove(name: str, url: str | None) -> None:
    """Delete a server."""
    from aiops.terminal import tools as terminal
    from config.client import connect

    sys.exit(terminal.remove(connect(url), name))


@tools.command("check")
@client_options
def tools_check(url: str | None) -> None:
    """Have every server looked at now."""
    from aiops.terminal import tools as terminal
    from config.client import connect

    sys.exit(terminal.ask(connect(url), "check"))


@tools.command("refresh")
@client_options
def tools_refresh(url: str | None) -> None:
    """Have every worker list the tools anew."""
    from aiops.terminal import tools as terminal
    from config.client import connect

    sys.exit(terminal.ask(connect(url), "refresh"))


def _pairs(written: tuple[str, ...]) -> dict[str, str]:
    pairs = dict(one.partition("=")[::2] for one in written)
    if not all(pairs) or any("=" not in one for one in written):
        raise click.UsageError("Write NAME=VALUE.")
    return pairs
