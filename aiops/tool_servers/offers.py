"""What a server answered, made fit for tables and pages."""

from __future__ import annotations

from dataclasses import replace

from aiops.events.redaction import Redactor
from aiops.tool_servers.client.values import Health, OtherLists


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
    others = OtherLists(
        seen.others.prompts and tuple(map(redactor.redact_json, seen.others.prompts)),
        seen.others.resources and tuple(map(redactor.redact_json, seen.others.resources)),
        redactor.redact(seen.others.problem),
    )
    return Health(redactor.redact(seen.problem), tools, redactor.redact(seen.output), others)
