"""Looks at tool servers and model providers: a changed server is looked at twice more before it is believed."""

from __future__ import annotations

import asyncio
import uuid

from aiops import dispatch, log
from aiops.errors import Unavailable
from aiops.registry import health, lifecycle, providers, tool_servers
from aiops.settings import Settings
from aiops.tools import probe

logger = log.get(__name__)


def work(settings: Settings) -> dict[str, int]:
    """Do all that is due; return counts."""
    due = health.take_due()
    seen = asyncio.run(probe.look([tool_servers.spec(row, settings, whatever_status=True) for row in due]))
    changed = sum([health.note(row, one) for row, one in zip(due, seen, strict=True)])
    if changed:
        lifecycle.announce()
    if health.confirming():
        _look_again()
    return {
        "checked_count": len(due),
        "changed_count": changed,
        "failed_count": sum(bool(one.problem) for one in seen),
        "cache_cleared": int(bool(changed)),
        **providers.look(settings),
    }


def _look_again() -> None:
    """Ask for this job in five seconds, so that no thread waits for them."""
    try:
        dispatch.upkeep(health.JOB, request_id=str(uuid.uuid4()), in_s=health.CONFIRM_S)
    except Unavailable as error:  # the clock asks within a minute
        logger.warning("tools.confirmation_not_asked", error=error.detail)
