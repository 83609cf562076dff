"""Reads ``AIOPS_TOOL_SERVERS``: tool servers of LAB; a row of the same name takes precedence."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from aiops.settings import Settings
from aiops.tool_servers.client.values import NAME, Protocol, ServerSpec
from aiops.tool_servers.references import BadReference, for_header, resolved


class BadToolServer(ValueError):
    """An entry of AIOPS_TOOL_SERVERS cannot be used."""


class Entry(BaseModel):
    """One server in the variable; a value of ``headers`` or ``env`` may refer to variables (see ``references``)."""

    model_config = ConfigDict(extra="forbid", strict=True)

    url: Annotated[str, Field(pattern=r"^https?://[^\s/]")] = ""
    headers: dict[Annotated[str, Field(pattern=r"^[A-Za-z0-9\-_]+$")], str] = {}
    command: str = ""
    args: list[str] = []
    env: dict[Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")], str] = {}
    cwd: Annotated[str, Field(pattern=r"^(/.*)?$")] = ""


def from_environment(settings: Settings, environ: Mapping[str, str] = os.environ) -> tuple[ServerSpec, ...]:
    """Return the servers of ``AIOPS_TOOL_SERVERS``; raises BadToolServer with the entry and its cure."""
    if settings.tool_servers and settings.environment != "LAB":
        raise BadToolServer(
            f"AIOPS_TOOL_SERVERS is read only in LAB: in {settings.environment} create rows instead "
            "(`aiops tools add`, or the administration), and remove the variable."
        )
    return tuple(_from_json(name, entry, environ) for name, entry in settings.tool_servers.items())


def _from_json(name: str, written: dict[str, Any], environ: Mapping[str, str]) -> ServerSpec:
    where = f"AIOPS_TOOL_SERVERS[{name!r}]"
    if not NAME.match(name) or name == "host":
        raise BadToolServer(f"{where}: a name has lower case letters, digits and dashes, and is not 'host'.")
    try:
        entry = Entry.model_validate(written)
    except ValidationError as failure:
        first = failure.errors(include_input=False, include_url=False)[0]
        raise BadToolServer(
            f"{where}: {'.'.join(map(str, first['loc']))}: {first['msg']}; fields: {', '.join(Entry.model_fields)}."
        ) from None
    if bool(entry.url) == bool(entry.command):
        raise BadToolServer(f"{where}: give either a url or a command.")
    try:
        return ServerSpec(
            name,
            protocol=Protocol.HTTP if entry.url else Protocol.STDIO,
            url=entry.url,
            headers=tuple((key, for_header(value, environ)) for key, value in entry.headers.items()),
            command=entry.command,
            args=tuple(entry.args),
            env=tuple((key, resolved(value, environ)) for key, value in entry.env.items()),
            cwd=entry.cwd,
        )
    except BadReference as error:
        raise BadToolServer(f"{where}: {error}") from error
