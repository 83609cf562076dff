"""What is known of a server that others wrote: its command, its calls with their answers, and its refused tools."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiops.tool_servers.client.values import Progress
from tests.conftest import missing

ROOT = Path(__file__).parents[2]
SDK_1, SDK_2 = ROOT / ".venv-wire/mcp1/bin", ROOT / ".venv-wire/mcp2/bin"
"""Environments with the two major versions of the MCP SDK for Python: no server runs with both."""
NODE = Path(__file__).parent / "node_modules/.bin"


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a tool: its text is this one, or matches this pattern as a whole."""

    tool: str
    arguments: dict[str, Any]
    text: str | re.Pattern[str]
    failed: bool = False
    progress: tuple[Progress, ...] = ()

    def is_answered_by(self, text: str) -> bool:
        return text == self.text if isinstance(self.text, str) else self.text.fullmatch(text) is not None


@dataclass(frozen=True, slots=True)
class Server:
    """A server that is ready to be started; the calls are made in this order."""

    command: tuple[str, ...]
    calls: tuple[Call, ...]
    env: tuple[tuple[str, str], ...] = ()
    refused: dict[str, str] = field(default_factory=dict)
    """Tools that no model is given, with a part of the reason."""


def like(pattern: str) -> re.Pattern[str]:
    """Return a pattern in which a dot is any character and a space any white space."""
    return re.compile(pattern.replace(" ", r"\s+"), re.DOTALL)


def installed(folder: Path, name: str) -> str:
    """Return the path of a server's command; skip the test when it is not installed, which in CI is an error."""
    path = folder / name
    return str(path) if path.exists() else missing(f"{name}: run make wire-test")
