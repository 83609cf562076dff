"""The request of ``aiops tools add``, from the words of its command line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

AFTER_DASHES = "aiops.after_dashes"
PROGRAM_PREFIXES = ("/", "./", "../", "~")
"""A command that begins so needs no two dashes before it."""


class TakesCommand(click.Command):
    """Remembers whether two dashes were given, which click drops."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ctx.meta[AFTER_DASHES] = "--" in args
        return super().parse_args(ctx, args)


def request_of_add(
    name: str,
    where: tuple[str, ...],
    sse: bool,
    external: bool,
    required: bool,
    headers: tuple[str, ...],
    own: bool,
    own_header: str | None,
    variables: tuple[str, ...],
    cwd: str | None,
    handshake_s: int | None,
    call_s: int | None,
    accept_tools: bool,
    dry_run: bool,
    reason: str,
) -> dict[str, Any]:
    """Return the request of ``add``; raises UsageError."""
    meta = click.get_current_context().meta
    return {
        **_address_or_command(name, where, sse=sse, after_dashes=meta.get(AFTER_DASHES, False)),
        "name": name,
        "dry_run": dry_run,
        "reason": reason,
        "place": "external" if external else "internal",
        "required": required,
        "accept_tools": accept_tools,
        **({"headers": _pairs(headers)} if headers else {}),
        **({"credential": "user"} if own or own_header else {}),
        **({"credential_header": own_header} if own_header else {}),
        **({"env": _pairs(variables)} if variables else {}),
        **({"cwd": cwd} if cwd else {}),
        **({"handshake_s": handshake_s} if handshake_s else {}),
        **({"call_s": call_s} if call_s else {}),
    }


def _address_or_command(name: str, where: Sequence[str], *, sse: bool, after_dashes: bool) -> dict[str, Any]:
    """Return the fields of a URL, or of a command with its arguments; raises UsageError."""
    first, *rest = where
    if first.lower().startswith(("http://", "https://")):
        if rest:
            raise click.UsageError(f"An address takes no arguments: leave out {' '.join(rest)!r}.")
        return {"protocol": "sse" if sse else "http", "url": first}
    if not after_dashes and not first.startswith(PROGRAM_PREFIXES):
        raise click.UsageError(
            f"{first!r} is not an address: it must begin with http:// or https://. "
            f"A command goes after two dashes: aiops tools add {name} -- {' '.join(where)}"
        )
    if sse:
        raise click.UsageError("--sse goes with a URL.")
    return {"protocol": "stdio", "command": first, "args": rest}


def _pairs(written: tuple[str, ...]) -> dict[str, str]:
    pairs = dict(one.partition("=")[::2] for one in written)
    if not all(pairs) or any("=" not in one for one in written):
        raise click.UsageError("Write NAME=VALUE.")
    return pairs
