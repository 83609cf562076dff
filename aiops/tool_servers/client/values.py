"""The frozen values of tool servers; importing this module loads no large package."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

NAME = re.compile(r"^[a-z][a-z0-9\-]{0,30}\Z")
"""A server's name; it prefixes its tools' names, which providers limit to 64 of [A-Za-z0-9_-]."""
OWN_PYTHON = "{python}"
"""As a command: the Python interpreter of the current process."""
HANDSHAKE_S = 15.0
CREDENTIALS_PAGE = "/tool-credentials/"
"""Where people enter their own credentials."""
MAX_TOOLS = 1_000
"""Of one server."""


class Protocol(StrEnum):
    """Streamable HTTP, the older HTTP with SSE, or a process's standard streams."""

    HTTP = "http"
    SSE = "sse"
    STDIO = "stdio"


class ToolClass(StrEnum):
    """What a call of a tool does; unknown counts as write."""

    READ = "read"
    WRITE = "write"
    DESTRUCTIVE = "destructive"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class ServerSpec:
    """How to reach one MCP server: a URL or a command; ``absent`` states why it must not be used now."""

    name: str
    url: str = ""
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    command: str = ""
    args: tuple[str, ...] = ()
    env: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    cwd: str = ""
    """Folder in which the command runs; empty: the worker's."""
    protocol: Protocol = Protocol.STDIO
    external: bool = False
    """Reached by https at public addresses only."""
    required: bool = False
    """Nothing is answered without it."""
    health_url: str = ""
    """URL of the health check; empty: a handshake."""
    handshake_s: float = HANDSHAKE_S
    call_s: float | None = None
    """Longest time of a tool call without a sign of progress; None: the pool's limit."""
    absent: str = ""
    personal: bool = False
    """It gets each person's own credential: only their own sessions call its tools."""
    credential: str = field(default="", repr=False)
    """Of the person whose session it is, as they entered it; one of the headers has it."""


@dataclass(frozen=True, slots=True)
class Offered:
    """One tool in a server's list."""

    name: str
    description: str
    read_only: bool
    problem: str = ""
    """Why it cannot be used; empty when it can."""
    parameters: dict[str, Any] | None = field(default=None, hash=False)
    """JSON Schema of its arguments; None when it is too large to be stored."""
    tool_class: ToolClass = ToolClass.UNKNOWN
    """What its server's annotations say."""
    pin: str = ""
    definition: dict[str, Any] = field(default_factory=dict, hash=False)
    """What the pin is made of: name, title, description, inputSchema and annotations, as its server sent them."""

    def shown(self) -> dict[str, Any]:
        """Return it as a server's list shows it."""
        shown = ("name", "description", "read_only", "problem", "parameters")
        return {name: getattr(self, name) for name in shown}


@dataclass(frozen=True, slots=True)
class OtherLists:
    """A server's prompts and resources, as its row shows them; None: it says that it has none, or has not listed them.

    A prompt: {name, title, description, arguments: [{name, description, required}]}. A resource: {uri, name,
    description, mime_type, size}. ``problem`` says why a list is missing or not whole.
    """

    prompts: tuple[dict[str, Any], ...] | None = field(default=None, hash=False)
    resources: tuple[dict[str, Any], ...] | None = field(default=None, hash=False)
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Health:
    """Result of a health check: ``problem`` is empty when the server is well; ``tools`` is None when not listed."""

    problem: str = ""
    tools: tuple[Offered, ...] | None = None
    output: str = ""
    """The end of what a failing command wrote."""
    others: OtherLists = OtherLists()


@dataclass(frozen=True, slots=True)
class Tried:
    """How a call that a person made ended: ``ok`` or ``error``, with the text of the result or the reason."""

    status: str
    ms: float
    result: str


@dataclass(frozen=True, slots=True)
class RemoteTool:
    """One usable tool of a server; ``name`` has the server's name as prefix."""

    name: str
    server: str
    remote_name: str
    description: str
    schema: dict[str, Any] = field(hash=False)
    tool_class: ToolClass = ToolClass.UNKNOWN
    """As its server's annotations say, or as an administrator has decided."""
    size: int = 0
    """Bytes that it adds to every model request."""
    pin: str = ""
    definition: dict[str, Any] = field(default_factory=dict, hash=False, compare=False, repr=False)
    call_s: float | None = None
    """Longest time of a call without a sign of progress; None: the server's."""
    max_result_bytes: int | None = None
    """Of a result, for the model; None: the run's limit."""
    calls_per_run: int | None = None

    @property
    def read_only(self) -> bool:
        """Whether a call changes nothing."""
        return self.tool_class is ToolClass.READ


@dataclass(frozen=True, slots=True)
class ToolRule:
    """What administrators have decided about one tool."""

    tool_class: ToolClass
    pin: str = ""
    """Of the definition that was accepted; empty: of none."""
    adopts: bool = False
    """It was in use before there were pins: the next definition that is seen is accepted."""
    withheld: str = ""
    """Why it must not be used; empty when it may."""
    call_s: float | None = None
    max_result_bytes: int | None = None
    calls_per_run: int | None = None


@dataclass(frozen=True, slots=True)
class ServerRules:
    """The rules of a server's tools, by their names there; ``accepts``: definitions that nobody has seen are used."""

    tools: dict[str, ToolRule] = field(hash=False)
    accepts: bool = False
    external: bool = False
    passed_at: datetime | None = field(default=None, compare=False)
    """When the server's last health check was, if it passed; no rule of a tool, so it makes none of them new."""


@dataclass(frozen=True, slots=True)
class CallLimits:
    """Longest time of a call, in seconds: without a sign of progress, and in total."""

    silent_s: float
    total_s: float

    def of(self, tool: RemoteTool) -> CallLimits:
        """Return the limits of a call of this tool."""
        return self if tool.call_s is None else CallLimits(tool.call_s, max(self.total_s, tool.call_s))


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a tool call is: of ``total``, if the server says so, and in its own words."""

    progress: float
    total: float | None = None
    text: str = ""


@dataclass(frozen=True, slots=True)
class ToolResult:
    """The result of a tool call, as text."""

    text: str
    failed: bool = False
