"""The way to a tool server: what the adapters need to open it, and in one line why it did not open."""

from __future__ import annotations

import os
import re
from datetime import timedelta

from langchain_mcp_adapters.sessions import Connection

from aiops.tools.values import ServerSpec

HANDSHAKE_S = 15.0
INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "VIRTUAL_ENV")
"""The only variables a stdio server gets from us besides its own ``env``."""


def connection(spec: ServerSpec) -> Connection:
    """Return how to reach the server; a stdio server sees no variable of ours but the inherited ones."""
    if spec.url:
        return {
            "transport": "streamable_http",
            "url": spec.url,
            "headers": dict(spec.headers),
            "timeout": timedelta(seconds=HANDSHAKE_S),
            "sse_read_timeout": timedelta(seconds=300),
        }
    inherited = {name: os.environ[name] for name in INHERITED if name in os.environ}
    return {
        "transport": "stdio",
        "command": spec.command,
        "args": list(spec.args),
        "env": {**inherited, **dict(spec.env)},
    }


def reason(error: BaseException) -> str:
    """Return the innermost cause in one line; the query of a URL, which may hold a key, is left out."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return re.sub(r"\?[^\s'\"]*", "?…", f"{type(error).__name__}: {error}".strip(": ").splitlines()[0])[:300]
