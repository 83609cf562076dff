"""Which tool servers there are: our own about the host, and those of ``AIOPS_TOOL_SERVERS``."""

from __future__ import annotations

import os
import sys
from typing import Any

from aiops.settings import Settings
from aiops.tools.values import NAME, ServerSpec

REFERENCE = "env:"
PREFIX = "AIOPS_SECRET_"
"""The only variables that may be referred to, so that no server is sent what was not meant for one."""
FIELDS = {"url", "headers", "command", "args", "env"}


class BadToolServer(ValueError):
    """An entry of AIOPS_TOOL_SERVERS cannot be used."""


def configured(settings: Settings) -> tuple[ServerSpec, ...]:
    """Return every server; raises BadToolServer with the entry and its cure."""
    host = ServerSpec(
        "host",
        command=sys.executable,
        args=("-m", "aiops.tools.host"),
        env=(("AIOPS_HOST_LOGS", settings.host_logs),),
    )
    return (host, *(_from_json(name, entry) for name, entry in settings.tool_servers.items()))


def _from_json(name: str, entry: dict[str, Any]) -> ServerSpec:
    where = f"AIOPS_TOOL_SERVERS[{name!r}]"
    if not NAME.match(name) or name == "host":
        raise BadToolServer(f"{where}: a name is lower case letters, digits and dashes, and not 'host'.")
    if unknown := set(entry) - FIELDS:
        raise BadToolServer(f"{where}: unknown {', '.join(sorted(unknown))}; there are {', '.join(sorted(FIELDS))}.")
    if bool(entry.get("url")) == bool(entry.get("command")):
        raise BadToolServer(f"{where}: give either a url or a command.")
    if entry.get("url") and not str(entry["url"]).startswith(("http://", "https://")):
        raise BadToolServer(f"{where}: the url must begin with http:// or https://.")
    return ServerSpec(
        name,
        url=entry.get("url", ""),
        headers=tuple((key, _resolved(str(value), where)) for key, value in entry.get("headers", {}).items()),
        command=entry.get("command", ""),
        args=tuple(map(str, entry.get("args", ()))),
        env=tuple((key, _resolved(str(value), where)) for key, value in entry.get("env", {}).items()),
    )


def _resolved(value: str, where: str) -> str:
    """Return the value, or what ``env:NAME`` refers to."""
    if not value.startswith(REFERENCE):
        return value
    name = value.removeprefix(REFERENCE)
    if not name.startswith(PREFIX):
        raise BadToolServer(f"{where}: {name} must begin with {PREFIX}: rename the variable.")
    if name not in os.environ:
        raise BadToolServer(f"{where}: {name} is not set: set it, or remove the reference.")
    return os.environ[name]
