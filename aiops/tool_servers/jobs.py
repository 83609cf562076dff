"""The job that checks the health of tool servers; a changed status is confirmed by further checks."""

from __future__ import annotations

import time
from collections import Counter

from django.db import DataError, IntegrityError, transaction

from aiops import log
from aiops.events.redaction import Redactor
from aiops.llm import reachability
from aiops.settings import Settings
from aiops.tool_servers import health, lifecycle, specs, uptime
from aiops.tool_servers.catalogue import listing
from aiops.tool_servers.client import probe
from aiops.tool_servers.client.values import Health
from aiops.tool_servers.health import CheckOutcome
from aiops.tool_servers.models import MCPServer
from aiops.tool_servers.offers import cleaned

FOR_S = 20.0
"""Checks start within this time; the next run of the job continues."""

logger = log.get(__name__)


def check_health(settings: Settings) -> dict[str, int]:
    """Check every server and provider that is due, for about FOR_S; return counts."""
    redactor = Redactor.from_settings(settings)
    until = time.monotonic() + FOR_S
    failed = informed = relisted = 0
    outcomes: Counter[CheckOutcome] = Counter()
    try:
        while time.monotonic() < until and (due := health.take_due()):
            checks = probe.check([specs.of_row(row, settings, ignore_status=True) for row in due])
            for row, seen in zip(due, checks, strict=True):
                failed += bool(seen.problem)
                shown = cleaned(seen, redactor)
                outcomes[_record(row, shown)] += 1
                relisted += _record_tools(row, shown, settings)
        uptime.forget_old()
    finally:
        if outcomes[CheckOutcome.CHANGED] or relisted:
            informed = lifecycle.announce()
    if outcomes[CheckOutcome.SUSPECTED]:
        lifecycle.request_check(in_s=health.CONFIRM_S)  # another job, so that no thread waits for the confirmation
    return {
        "checked_count": outcomes.total(),
        "changed_count": outcomes[CheckOutcome.CHANGED],
        "failed_count": failed,
        "cache_cleared": informed,
        **reachability.check_all(settings, redact=redactor.redact),
    }


def _record(row: MCPServer, seen: Health) -> CheckOutcome:
    """Store a result, or why it cannot be stored, so that no server keeps others from being checked."""
    try:
        with transaction.atomic():
            return health.record(row, seen)
    except (DataError, ValueError, TypeError) as error:
        logger.exception("tools.check_not_stored", server=row.name)
        return health.record(row, Health(f"Its answer cannot be stored ({type(error).__name__})."))


def _record_tools(row: MCPServer, seen: Health, settings: Settings) -> bool:
    """Keep the catalogue in step with a list; return whether what may be used has changed."""
    if seen.tools is None:
        return False
    try:
        return listing.record(row, seen.tools, settings)
    except (DataError, ValueError, TypeError, IntegrityError):
        logger.exception("tools.list_not_stored", server=row.name)
        return False
