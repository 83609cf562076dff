"""The frozen values of tool servers; importing them loads nothing heavy."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

NAME = re.compile(r"^[a-z][a-z0-9\-]{0,30}$")
"""A server's name; it prefixes its tools' names, which providers limit to 64 of [A-Za-z0-9_-]."""


@dataclass(frozen=True, slots=True)
class ServerSpec:
    """How to reach one MCP server: a URL (streamable HTTP) or a command (stdio)."""

    name: str
    url: str = ""
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    command: str = ""
    args: tuple[str, ...] = ()
    env: tuple[tuple[str, str], ...] = field(default=(), repr=False)
