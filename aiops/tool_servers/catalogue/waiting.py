"""The tools that wait for a person: to be accepted, or to get a class."""

from __future__ import annotations

from aiops.tool_servers.models import Tool

SHOWN = 10


def pending() -> str:
    """Name the tools that nobody has accepted as they are; empty when there are none."""
    return _names(status=Tool.Status.PENDING)


def unclassified() -> str:
    """Name the tools in use that nobody has classified, so that they count as write; empty when there are none."""
    return _names(status=Tool.Status.ACCEPTED, is_enabled=True, tool_class=Tool.Class.UNKNOWN)


def _names(**like: object) -> str:
    rows = Tool.objects.filter(**like).select_related("server").order_by("server__name", "name")
    names = [str(row) for row in rows.only("name", "server__name")[: SHOWN + 1]]
    return ", ".join(names[:SHOWN]) + (", …" if len(names) > SHOWN else "")
