"""What a configuration file of another MCP client is mapped to."""

from __future__ import annotations

from typing import Any

from aiops.events.redaction import Redactor
from aiops.tool_servers.importing import reading
from aiops.tool_servers.importing.drafts import NotImportable, draft
from aiops.tool_servers.importing.names import mapped
from aiops.tool_servers.importing.secrets import SecretFinder
from aiops.tool_servers.importing.variables import Variables

FINDER = SecretFinder(Redactor(values=["canary-that-is-configured"]))
KEY = "ghp_" + "c4n4ry" * 7


def imported(data: str | bytes) -> dict[str, Any]:
    """Return name in the file → the fields of its row that are not empty, or the reason why it is refused."""
    content = reading.read(data.encode() if isinstance(data, str) else data)
    known, found = Variables(content.inputs), {}
    for written in content.servers:
        try:
            fields = draft(written, FINDER).row(mapped(written.was), known, FINDER)
            found[written.was] = {key: value for key, value in fields.items() if value and key != "name"}
        except NotImportable as error:
            found[written.was] = str(error)
    return found
