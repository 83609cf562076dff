"""The health of tool servers as rows: who is to be looked at, and what looks that confirm each other change."""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta

from django.db.models import QuerySet
from django.db.models.functions import Now

from aiops import log
from aiops.registry.models import MCPServer
from aiops.tools.values import Health

JOB = "tool_servers"
EVERY_S = 60
CONFIRM_S = 5
CONFIRMATIONS = 2
"""So many further looks must see a changed status before it is believed."""
SLACK = timedelta(seconds=5)
LEASE = timedelta(seconds=EVERY_S)
"""Whoever looks at a server has this long."""
Status = MCPServer.Status
WATCHED = (Status.HEALTHY, Status.FAILED, Status.UNKNOWN)

logger = log.get(__name__)


def watched() -> QuerySet[MCPServer]:
    """Return the servers that are looked at: those in maintenance and vulnerable ones are left alone."""
    return MCPServer.objects.filter(status__in=WATCHED)


def take_due() -> list[MCPServer]:
    """Return the servers that are due, which nobody else looks at meanwhile."""
    due = watched().filter(look_at__lte=Now())
    return [row for row in list(due) if due.filter(pk=row.pk).update(look_at=Now() + LEASE)]


def note(row: MCPServer, seen: Health) -> bool:
    """Write what a look saw; return whether the server's status changed by it."""
    status = Status.FAILED if seen.problem else Status.HEALTHY
    as_before, again = status == row.status, status == row.suspected
    confirmed = again and row.confirmations + 1 >= CONFIRMATIONS
    wait = timedelta(seconds=EVERY_S) - SLACK if as_before or confirmed else timedelta(seconds=CONFIRM_S)
    changes: dict[str, object] = {
        "checked_at": Now(),
        "look_at": Now() + wait,
        "problem": seen.problem[:300],
        "suspected": "" if as_before or confirmed else status,
        "confirmations": row.confirmations + 1 if again and not confirmed else 0,
    }
    if seen.tools is not None:
        changes["tools"] = [asdict(tool) for tool in seen.tools]
    if confirmed:
        changes |= {"status": status, "status_since": Now()}
    written = MCPServer.objects.filter(pk=row.pk, status=row.status, updated_at=row.updated_at).update(**changes)
    changed = bool(written) and confirmed
    if changed:
        logger.warning(
            "tools.status_changed", server=row.name, status=str(status), was=row.status, problem=seen.problem
        )
    return changed


def confirming() -> bool:
    """Whether some server's change waits to be confirmed."""
    return watched().exclude(suspected="").exists()
