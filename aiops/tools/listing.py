"""Which of the tools that a server lists can be used: valid names and schemas, no duplicates, descriptions cut."""

from __future__ import annotations

from typing import Any

import jsonschema_rs
from langchain_core.tools import BaseTool

from aiops import log
from aiops.tools.values import MAX_TOOLS, RemoteTool

DIALECT = "https://json-schema.org/draft/2020-12/schema"
"""What MCP's schemas are written in: its specification of 2025-11-25."""
MAX_DESCRIPTION_CHARACTERS = 1_500

logger = log.get(__name__)


def usable(server: str, loaded: list[BaseTool]) -> tuple[dict[str, RemoteTool], dict[str, BaseTool]]:
    """Return the tools that can be used, by their name at the server; the others are told in the log."""
    tools: dict[str, RemoteTool] = {}
    bound: dict[str, BaseTool] = {}
    for tool in loaded[:MAX_TOOLS]:
        name = f"{server}_{tool.name}"
        schema = tool.args_schema if isinstance(tool.args_schema, dict) else tool.get_input_jsonschema()
        if not _usable(name, schema) or tool.name in tools:
            logger.warning("tools.refused", server=server, tool=tool.name[:80])
            continue
        description = (tool.description or "")[:MAX_DESCRIPTION_CHARACTERS]
        read_only = bool((tool.metadata or {}).get("readOnlyHint"))
        tools[tool.name] = RemoteTool(name, server, tool.name, description, schema, read_only)
        bound[tool.name] = tool
    if len(loaded) > MAX_TOOLS:
        logger.warning("tools.too_many", server=server, offered=len(loaded), kept=MAX_TOOLS)
    return tools, bound


def _usable(name: str, schema: dict[str, Any]) -> bool:
    if len(name) > 64 or not name.replace("-", "").replace("_", "").isalnum() or not name.isascii():
        return False
    return bool(jsonschema_rs.meta.is_valid({**schema, "$schema": DIALECT}))
