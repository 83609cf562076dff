"""What a server answered, made fit for tables and pages."""

from __future__ import annotations

from dataclasses import replace

from aiops.events.redaction import Redactor
from aiops.tool_servers.client.values import Health


def cleaned(seen: Health, redactor: Redactor) -> Health:
    """Return a result without secrets and characters that no table accepts: foreign servers wrote its texts."""
    tools = seen.tools and tuple(
        replace(
            tool,
            name=redactor.redact(tool.name),
            description=redactor.redact(tool.description),
            problem=redactor.redact(tool.problem),
            parameters=redactor.redact_json(tool.parameters),
            definition=redactor.redact_json(tool.definition),
        )
        for tool in seen.tools
    )
    return Health(redactor.redact(seen.problem), tools, redactor.redact(seen.output))
