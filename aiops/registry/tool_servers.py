"""Which tool servers there are: our own about the host, and those of ``AIOPS_TOOL_SERVERS``."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from aiops.settings import Settings
from aiops.tools.values import NAME, ServerSpec

REFERENCE = "env:"
PREFIX = "AIOPS_SECRET_"
"""The only variables that may be referred to, so that no server is sent what was not meant for one."""


class BadToolServer(ValueError):
    """An entry of AIOPS_TOOL_SERVERS cannot be used."""


class Entry(BaseModel):
    """What is written about one server; a value of ``headers`` or ``env`` may refer to a variable (``env:NAME``)."""

    model_config = ConfigDict(extra="forbid", strict=True)

    url: Annotated[str, Field(pattern=r"^https?://[^\s/]")] = ""
    headers: dict[Annotated[str, Field(pattern=r"^[A-Za-z0-9\-_]+$")], str] = {}
    command: str = ""
    args: list[str] = []
    env: dict[Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")], str] = {}


def configured(settings: Settings, environ: Mapping[str, str] = os.environ) -> tuple[ServerSpec, ...]:
    """Return every server; raises BadToolServer with the entry and its cure."""
    host = ServerSpec(
        "host",
        command=sys.executable,
        args=("-m", "aiops.tools.host"),
        env=(("AIOPS_HOST_LOGS", settings.host_logs),),
    )
    return (host, *(_from_json(name, entry, environ) for name, entry in settings.tool_servers.items()))


def _from_json(name: str, written: dict[str, Any], environ: Mapping[str, str]) -> ServerSpec:
    where = f"AIOPS_TOOL_SERVERS[{name!r}]"
    if not NAME.match(name) or name == "host":
        raise BadToolServer(f"{where}: a name is lower case letters, digits and dashes, and not 'host'.")
    try:
        entry = Entry.model_validate(written)
    except ValidationError as failure:
        first = failure.errors(include_input=False, include_url=False)[0]
        raise BadToolServer(
            f"{where}: {'.'.join(map(str, first['loc']))}: {first['msg']}; there are {', '.join(Entry.model_fields)}."
        ) from None
    if bool(entry.url) == bool(entry.command):
        raise BadToolServer(f"{where}: give either a url or a command.")
    return ServerSpec(
        name,
        url=entry.url,
        headers=tuple((key, _resolved(value, where, environ)) for key, value in entry.headers.items()),
        command=entry.command,
        args=tuple(entry.args),
        env=tuple((key, _resolved(value, where, environ)) for key, value in entry.env.items()),
    )


def _resolved(value: str, where: str, environ: Mapping[str, str]) -> str:
    """Return the value, or what ``env:NAME`` refers to."""
    if not value.startswith(REFERENCE):
        return value
    name = value.removeprefix(REFERENCE)
    if not name.startswith(PREFIX):
        raise BadToolServer(f"{where}: {name} must begin with {PREFIX}: rename the variable.")
    if name not in environ:
        raise BadToolServer(f"{where}: {name} is not set: set it, or remove the reference.")
    return environ[name]
