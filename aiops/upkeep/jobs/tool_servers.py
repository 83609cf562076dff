"""Looks at tool servers and model providers: a changed server is looked at twice more before it is believed."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections import Counter

from aiops import dispatch, log
from aiops.errors import Unavailable
from aiops.events.redaction import Redactor
from aiops.registry import health, lifecycle, providers, tool_servers
from aiops.registry.health import Noted
from aiops.settings import Settings
from aiops.tools import probe
from aiops.tools.values import Health, Offered

FOR_S = 20.0
"""New looks begin within this; the next minute goes on."""

logger = log.get(__name__)


def work(settings: Settings) -> dict[str, int]:
    """Do all that is due, as far as the time goes; return counts."""
    redactor = Redactor.from_settings(settings)
    until = time.monotonic() + FOR_S
    failed = 0
    noted: Counter[Noted] = Counter()
    try:
        while time.monotonic() < until and (due := health.take_due()):
            looks = asyncio.run(probe.look([tool_servers.spec(row, settings, whatever_status=True) for row in due]))
            for row, seen in zip(due, looks, strict=True):
                failed += bool(seen.problem)
                noted[health.note(row, _cleaned(seen, redactor))] += 1
    finally:
        if noted[Noted.CHANGED]:
            lifecycle.announce()
    if noted[Noted.SUSPECTED]:
        _look_again()
    return {
        "checked_count": noted.total(),
        "changed_count": noted[Noted.CHANGED],
        "failed_count": failed,
        "cache_cleared": int(noted[Noted.CHANGED] > 0),
        **providers.look(settings, redact=redactor.redact),
    }


def _cleaned(seen: Health, redactor: Redactor) -> Health:
    """Return what a server said, which anybody may have written, without secrets and what no table takes."""
    tools = seen.tools and tuple(
        Offered(redactor.redact(tool.name), redactor.redact(tool.description), tool.read_only) for tool in seen.tools
    )
    return Health(redactor.redact(seen.problem), tools)


def _look_again() -> None:
    """Ask for this job in five seconds, so that no thread waits for them."""
    try:
        dispatch.upkeep(health.JOB, request_id=str(uuid.uuid4()), in_s=health.CONFIRM_S)
    except Unavailable as error:  # the clock asks within a minute
        logger.warning("tools.confirmation_not_asked", error=error.detail)
