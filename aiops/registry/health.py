"""The health of tool servers as rows: who is to be looked at, and what looks that confirm each other change."""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta
from enum import StrEnum

from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from aiops import log
from aiops.registry.models import MCPServer
from aiops.tools.values import Health

JOB = "tool_servers"
EVERY = timedelta(seconds=60)
CONFIRM_S = 5
CONFIRMATIONS = 2
"""So many further looks must see a changed status before it is believed."""
SLACK = timedelta(seconds=5)
MOST_AT_ONCE = 8
LEASE = timedelta(seconds=90)
"""Whoever looks at so many servers, four at a time and each for MAX_HANDSHAKE_S, has ended by then."""
FAR = timedelta(minutes=10)
Status = MCPServer.Status
WATCHED = (Status.HEALTHY, Status.FAILED, Status.UNKNOWN)

logger = log.get(__name__)


def watched() -> QuerySet[MCPServer]:
    """Return the servers that are looked at: those in maintenance and vulnerable ones are left alone."""
    return MCPServer.objects.filter(status__in=WATCHED)


def take_due() -> list[MCPServer]:
    """Return some servers that are due, which nobody else looks at meanwhile."""
    due = watched().filter(Q(look_at__lte=Now()) | Q(look_at__gt=Now() + FAR))  # far away: the clock was set back
    return [
        row for row in due.order_by("look_at")[:MOST_AT_ONCE] if due.filter(pk=row.pk).update(look_at=Now() + LEASE)
    ]


class Noted(StrEnum):
    """What a look came to."""

    AS_BEFORE = "as before"
    SUSPECTED = "suspected"
    CHANGED = "changed"
    OVERTAKEN = "overtaken"


def note(row: MCPServer, seen: Health) -> Noted:
    """Write what a look saw; ``overtaken`` when somebody changed the row or looked at it meanwhile."""
    status = Status.FAILED if seen.problem else Status.HEALTHY
    again = status == row.suspected
    outcome = Noted.AS_BEFORE if status == row.status else Noted.SUSPECTED
    if outcome == Noted.SUSPECTED and again and row.confirmations + 1 >= CONFIRMATIONS:
        outcome = Noted.CHANGED
    suspected = outcome == Noted.SUSPECTED
    changes: dict[str, object] = {
        "checked_at": Now(),
        "look_at": Now() + (timedelta(seconds=CONFIRM_S) if suspected else EVERY - SLACK),
        "problem": seen.problem[:300],
        "suspected": status if suspected else "",
        "confirmations": row.confirmations + 1 if suspected and again else 0,
    }
    if seen.tools is not None:
        changes["tools"] = [asdict(tool) for tool in seen.tools]
    if outcome == Noted.CHANGED:
        changes |= {"status": status, "status_since": Now()}
    as_read = {name: getattr(row, name) for name in ("status", "updated_at", "suspected", "confirmations")}
    if not MCPServer.objects.filter(pk=row.pk, **as_read).update(**changes):
        return Noted.OVERTAKEN
    if outcome == Noted.CHANGED:
        logger.warning("tools.status", server=row.name, status=str(status), was=row.status, problem=seen.problem)
    return outcome
