"""What determines which program answers as a tool server: its address, or its command."""

from __future__ import annotations

import hashlib
import json

from aiops.tool_servers.models import MCPServer

PROGRAM = ("protocol", "url", "endpoint", "command", "args", "cwd")
"""Another program's tools wait to be accepted, however alike they are, and no person's credential is sent to it."""


def digest(server: MCPServer) -> str:
    """Return a digest of a row's address or command, by which a change of it is seen whoever made it."""
    written = json.dumps([getattr(server, name) for name in PROGRAM])
    return hashlib.sha256(written.encode()).hexdigest()
