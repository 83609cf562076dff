"""Keeps the rows of a server's tools in step with its list: what is new or has changed waits for a person."""

from __future__ import annotations

from collections.abc import Iterable

from django.db import transaction

from aiops import log
from aiops.settings import Settings
from aiops.tool_servers.client.governing import believed_class, class_unseen
from aiops.tool_servers.client.values import Offered, ToolClass
from aiops.tool_servers.models import MCPServer, Tool

GONE = "Its server does not offer it any more."
BATCH = 200

logger = log.get(__name__)


@transaction.atomic
def record(server: MCPServer, offered: Iterable[Offered], settings: Settings, *, whole: bool = True) -> bool:
    """Write a server's list into the rows of its tools; return whether what may be used has changed.

    ``whole`` is false for what one person's session lists: it says nothing about tools that are not in it.
    """
    # As it is now, and it may have been deleted during the check; who accepts what waits for the end of this.
    current = MCPServer.objects.select_for_update().filter(pk=server.pk).first()
    if current is None or current.updated_at != server.updated_at:
        return False
    accepts = accepts_all(current, settings)
    rows = {row.name: row for row in Tool.objects.filter(server=server)}
    changed, made = [], []
    # A name that appears twice is that of a usable tool, too, which comes first.
    for one in {one.name: one for one in reversed(tuple(offered))}.values():
        row = rows.pop(one.name, None)
        if row is None:
            made.append(_follow(Tool(server=server, name=one.name), one, server, accepts=accepts))
            continue
        before = _state(row)
        if _state(_follow(row, one, server, accepts=accepts)) != before:
            changed.append(row)
    for row in rows.values() if whole else ():
        if row.status != Tool.Status.DROPPED or row.offered_pin:
            row.status, row.problem, row.offered_pin, row.offered = Tool.Status.DROPPED, GONE, "", {}
            changed.append(row)
    Tool.objects.bulk_create(made, batch_size=BATCH, ignore_conflicts=True)
    fields = ["tool_class", "status", "problem", "pin", "definition", "offered_pin", "offered"]
    Tool.objects.bulk_update(changed, fields, batch_size=BATCH)
    waiting = [row.name for row in (*made, *changed) if row.status == Tool.Status.PENDING]
    if waiting:
        logger.warning("tools.pending", server=server.name, tools=waiting[:BATCH])
    if current.accept_tools:
        MCPServer.objects.filter(pk=server.pk).update(accept_tools=False)
    return bool(made or changed or current.accept_tools)


def accepts_all(server: MCPServer, settings: Settings) -> bool:
    """Return whether what a server offers is accepted as it is."""
    internal = server.place == MCPServer.Place.INTERNAL
    return server.accept_tools or (internal and settings.accept_internal_tools)


def accept(row: Tool) -> None:
    """Accept a tool as its server offers it now; save the row after that."""
    row.pin, row.definition, row.status = row.offered_pin, row.offered, Tool.Status.ACCEPTED


def _follow(row: Tool, one: Offered, server: MCPServer, *, accepts: bool) -> Tool:
    if one.problem:
        row.status, row.problem, row.offered_pin, row.offered = Tool.Status.DROPPED, one.problem, "", {}
        return row
    external = server.place == MCPServer.Place.EXTERNAL
    if row._state.adding:
        row.tool_class = believed_class(one.tool_class, external=external)
    adopts = not row.pin and row.status == Tool.Status.ACCEPTED  # it was in use before there were pins
    row.problem, row.offered_pin, row.offered = "", one.pin, one.definition
    row.status = Tool.Status.ACCEPTED if row.pin == one.pin else Tool.Status.PENDING
    if accepts and not adopts and row.pin and row.pin != one.pin:
        row.tool_class = class_unseen(ToolClass(row.tool_class), one.tool_class, external=external)
    if accepts or adopts:
        accept(row)
    return row


def _state(row: Tool) -> tuple[str, str, str, str]:
    return row.status, row.problem, row.pin, row.offered_pin
