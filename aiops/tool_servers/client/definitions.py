"""A tool's definition as its server sent it, its pin, and the class that its annotations propose."""

from __future__ import annotations

import hashlib
from typing import Any

from mcp import types

from aiops import untrusted
from aiops.tool_servers.client import canonical
from aiops.tool_servers.client.parameters import UnusableTool
from aiops.tool_servers.client.values import ToolClass

FIELDS = {"name", "title", "description", "inputSchema", "annotations"}
MAX_BYTES = 64_000
MAX_DEPTH = 100
"""More than a schema may have."""


def of(tool: types.Tool) -> dict[str, Any]:
    """Return the fields that say what a tool is; raises UnusableTool."""
    definition = tool.model_dump(mode="json", include=FIELDS, exclude_none=True, by_alias=True)
    try:
        faults = untrusted.faults(definition, max_depth=MAX_DEPTH)
    except untrusted.TooDeep as error:
        raise UnusableTool(f"its definition cannot be stored: {error}") from error
    if faults:
        place, reason = next(iter(faults.items()))
        raise UnusableTool(f"its definition cannot be stored: {place}: {reason}")
    return definition


def pin(definition: dict[str, Any]) -> str:
    """Return the SHA-256 of a definition's RFC 8785 form: the order of keys and white space change nothing.

    Raises UnusableTool.
    """
    try:
        encoded = canonical.encode(definition)
    except canonical.NotCanonical as error:
        raise UnusableTool(f"its definition has no canonical form: {error}") from error
    if len(encoded) > MAX_BYTES:
        raise UnusableTool(f"its definition has more than {MAX_BYTES:,} bytes")
    return hashlib.sha256(encoded).hexdigest()


def proposed_class(annotations: types.ToolAnnotations | None) -> ToolClass:
    """Return the class that annotations claim (MCP of 2025-11-25); their server may be wrong or lie."""
    if annotations is None:
        return ToolClass.UNKNOWN
    if annotations.readOnlyHint:
        return ToolClass.READ
    if annotations.destructiveHint is None:
        return ToolClass.UNKNOWN
    return ToolClass.DESTRUCTIVE if annotations.destructiveHint else ToolClass.WRITE
