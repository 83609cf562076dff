"""Changes of a tool by a person, the same way from every door: its class, its limits, and its acceptance."""

from __future__ import annotations

import difflib
import json
from typing import Any

from aiops import database
from aiops.errors import Conflict
from aiops.rows import check
from aiops.tool_servers import lifecycle
from aiops.tool_servers.catalogue import listing
from aiops.tool_servers.models import Tool

NOTHING_OFFERED = "Its server does not offer it now, so that there is nothing to accept."
CHANGED = "Its server offers another definition by now: look at it again."


def put(row: Tool, fields: dict[str, Any]) -> Tool:
    """Apply fields and save; raises Invalid."""
    for name, value in fields.items():
        setattr(row, name, value)
    check(row)
    return _save(row)


def accept(row: Tool, *, pin: str = "") -> Tool:
    """Accept a tool as its server offers it, with the ``pin`` that a person has seen; raises Conflict."""
    if not row.offered_pin:
        raise Conflict(NOTHING_OFFERED, code="not_offered")
    if pin and pin != row.offered_pin:
        raise Conflict(CHANGED, code="tool_changed")
    listing.accept(row)
    return _save(row)


def difference(row: Tool) -> str:
    """Return how the definition that is offered differs from the accepted one, as a unified diff; empty if not."""
    if not row.offered_pin or row.offered_pin == row.pin:
        return ""
    before, after = lines(row.definition), lines(row.offered)
    return "\n".join(difflib.unified_diff(before, after, "accepted", "offered", lineterm="", n=2))


def lines(definition: dict[str, Any]) -> list[str]:
    """Return a definition as lines that can be compared."""
    return json.dumps(definition, indent=1, sort_keys=True, ensure_ascii=False).split("\n") if definition else []


def _save(row: Tool) -> Tool:
    row.save()
    database.once_committed(lifecycle.announce)
    return row
