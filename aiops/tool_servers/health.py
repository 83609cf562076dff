"""Health of tool servers in the database: which checks are due, and when their outcome changes the status."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum

from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from aiops import log
from aiops.tool_servers import uptime
from aiops.tool_servers.client.values import Health
from aiops.tool_servers.models import MCPServer

JOB = "tool_servers"
EVERY = timedelta(seconds=55)
"""Less than the minute between two runs of the job, so that none of them finds a server not yet due."""
CONFIRM_S = 5
CONFIRMATIONS = 2
"""Further checks that must agree before a changed status takes effect."""
MAX_AT_ONCE = 8
LEASE = timedelta(seconds=180)
"""Longer than checking MAX_AT_ONCE servers, four at a time and each for MAX_HANDSHAKE_S, with a health path twice, and
for the lists of prompts and resources.
"""
FAR = timedelta(minutes=10)
Status = MCPServer.Status

logger = log.get(__name__)


def watched() -> QuerySet[MCPServer]:
    """Return the servers with health checks: not those in maintenance, nor vulnerable ones."""
    return MCPServer.objects.filter(status__in=(Status.HEALTHY, Status.FAILED, Status.UNKNOWN))


def take_due() -> list[MCPServer]:
    """Claim some servers whose check is due; no other worker checks them during LEASE."""
    due = watched().filter(Q(look_at__lte=Now()) | Q(look_at__gt=Now() + FAR))  # far ahead: the clock was set back
    return [row for row in due.order_by("look_at")[:MAX_AT_ONCE] if due.filter(pk=row.pk).update(look_at=Now() + LEASE)]


class CheckOutcome(StrEnum):
    """Effect of one health check on its row."""

    AS_BEFORE = "as before"
    SUSPECTED = "suspected"
    CHANGED = "changed"
    OVERTAKEN = "overtaken"


def record(row: MCPServer, seen: Health) -> CheckOutcome:
    """Store the result of a health check; ``overtaken`` when the row was changed or checked meanwhile."""
    status = Status.FAILED if seen.problem else Status.HEALTHY
    is_confirmed = status == row.suspected and row.confirmations + 1 >= CONFIRMATIONS
    outcome = CheckOutcome.CHANGED if is_confirmed else CheckOutcome.SUSPECTED
    if status == row.status:
        outcome = CheckOutcome.AS_BEFORE
    is_suspected = outcome == CheckOutcome.SUSPECTED
    changes: dict[str, object] = {
        "checked_at": Now(),
        "look_at": Now() + (timedelta(seconds=CONFIRM_S) if is_suspected else EVERY),
        "problem": seen.problem[:300],
        "output": seen.output,
        "suspected": status if is_suspected else "",
        "confirmations": row.confirmations + 1 if is_suspected and status == row.suspected else 0,
    }
    if seen.tools is not None:
        changes["tools"] = [tool.shown() for tool in seen.tools]
        others = seen.others
        changes |= {"prompts": others.prompts, "resources": others.resources, "lists_problem": others.problem[:300]}
    if outcome == CheckOutcome.CHANGED:
        changes |= {"status": status, "status_since": Now()}
    # The row must be as it was read: a person may have changed it during the check.
    as_read = {name: getattr(row, name) for name in ("status", "updated_at", "suspected", "confirmations")}
    if not MCPServer.objects.filter(pk=row.pk, **as_read).update(**changes):
        return CheckOutcome.OVERTAKEN
    uptime.count(row.pk, failed=bool(seen.problem))
    if outcome == CheckOutcome.CHANGED:
        logger.warning("tools.status", server=row.name, status=str(status), was=row.status, problem=seen.problem)
    return outcome
