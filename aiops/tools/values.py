"""The frozen values of tool servers; importing them loads nothing heavy."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

NAME = re.compile(r"^[a-z][a-z0-9\-]{0,30}\Z")
"""A server's name; it prefixes its tools' names, which providers limit to 64 of [A-Za-z0-9_-]."""


OWN_PYTHON = "{python}"
"""Stands, as a command, for the Python that a process of ours runs with."""
HANDSHAKE_S = 15.0
MAX_TOOLS = 128
"""So many of one server are known; more would leave a model no room."""


class Protocol(StrEnum):
    """How a server is spoken to: streamable HTTP, the older HTTP with SSE, or a process's standard streams."""

    HTTP = "http"
    SSE = "sse"
    STDIO = "stdio"


@dataclass(frozen=True, slots=True)
class ServerSpec:
    """How to reach one MCP server: a URL or a command; ``absent`` says why it must not be used now."""

    name: str
    url: str = ""
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    command: str = ""
    args: tuple[str, ...] = ()
    env: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    protocol: Protocol = Protocol.STDIO
    external: bool = False
    """By https to public addresses alone."""
    required: bool = False
    """Nothing is answered without it."""
    health_url: str = ""
    """What a look at its health gets; a handshake when empty."""
    handshake_s: float = HANDSHAKE_S
    call_s: float | None = None
    """Longest tool call; the pool's when None."""
    absent: str = ""


@dataclass(frozen=True, slots=True)
class Offered:
    """One tool that a server says it has."""

    name: str
    description: str
    read_only: bool


@dataclass(frozen=True, slots=True)
class Health:
    """How one look went: ``problem`` is empty when the server is well; ``tools`` is None when it was not asked."""

    problem: str = ""
    tools: tuple[Offered, ...] | None = None


@dataclass(frozen=True, slots=True)
class RemoteTool:
    """One tool of one server, as plain values; ``name`` carries the server's name as prefix."""

    name: str
    server: str
    remote_name: str
    description: str
    schema: dict[str, Any] = field(hash=False)
    read_only: bool = False


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What a tool returned, as text."""

    text: str
    failed: bool = False
