"""The jobs of tool servers: health checks, which confirm a changed status with further checks, and trials."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from dataclasses import asdict, replace
from typing import Any

from django.db import DataError, transaction

from aiops import log, lookups
from aiops.events.redaction import Redactor
from aiops.llm import reachability
from aiops.settings import Settings
from aiops.tool_servers import health, lifecycle, specs, trials, uptime
from aiops.tool_servers.client import probe
from aiops.tool_servers.client.values import Health, Tried
from aiops.tool_servers.health import CheckOutcome
from aiops.tool_servers.models import MCPServer, Trial
from aiops.untrusted import clean

MAX_RESULT_CHARACTERS = 16_000
FOR_S = 20.0
"""Checks start within this time; the next run of the job continues."""

logger = log.get(__name__)


def check_health(settings: Settings) -> dict[str, int]:
    """Check every server and provider that is due, for about FOR_S; return counts."""
    redactor = Redactor.from_settings(settings)
    until = time.monotonic() + FOR_S
    failed = informed = 0
    outcomes: Counter[CheckOutcome] = Counter()
    try:
        while time.monotonic() < until and (due := health.take_due()):
            checks = probe.check([specs.of_row(row, settings, ignore_status=True) for row in due])
            for row, seen in zip(due, checks, strict=True):
                failed += bool(seen.problem)
                outcomes[_record(row, _cleaned(seen, redactor))] += 1
        uptime.forget_old()
    finally:
        if outcomes[CheckOutcome.CHANGED]:
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


def run_trials(settings: Settings) -> dict[str, int]:
    """Try what people wait for; return the count."""
    redactor, done = Redactor.from_settings(settings), 0
    while taken := trials.take(probe.MAX_AT_ONCE):
        answers = lookups.run(_try_all(taken, settings))
        for trial, answer in zip(taken, answers, strict=True):
            _answer(trial, answer, redactor)
        done += len(taken)
    return {"trials": done}


def _answer(trial: Trial, answer: Health | Tried, redactor: Redactor) -> None:
    """Store an answer, or why it cannot be stored."""
    mine = Trial.objects.filter(pk=trial.pk)
    try:
        with transaction.atomic():
            mine.update(answer=_shown(answer, redactor))
    except (DataError, ValueError, TypeError) as error:
        logger.exception("tools.trial_not_stored", trial=str(trial.pk))
        mine.update(answer=_shown(_broken(trial, f"Its answer cannot be stored ({type(error).__name__})."), redactor))


def _broken(trial: Trial, reason: str) -> Health | Tried:
    return Tried("error", 0.0, reason) if trial.tool else Health(reason)


async def _try_all(taken: list[Trial], settings: Settings) -> list[Health | Tried]:
    return await asyncio.gather(*(_guarded(trial, settings) for trial in taken))


async def _guarded(trial: Trial, settings: Settings) -> Health | Tried:
    try:
        return await _try(trial, settings)
    except Exception as error:  # one broken trial must not leave the others without an answer
        logger.exception("tools.trial_broke", trial=str(trial.pk))
        return _broken(trial, f"It could not be tried ({type(error).__name__}).")


async def _try(trial: Trial, settings: Settings) -> Health | Tried:
    server = trials.server_of(trial)
    spec = specs.of_row(server, settings, ignore_status=True)
    if trial.tool:
        call_s = spec.call_s or settings.tool_timeout_s
        return await probe.call(spec, trial.tool, trial.arguments, call_s=min(call_s, settings.tool_timeout_s))
    return (await probe.check_async([replace(spec, health_url="")]))[0]  # a handshake: it lists the tools


def _shown(answer: Health | Tried, redactor: Redactor) -> dict[str, Any]:
    """Return an answer as JSON, without secrets and characters that no table accepts."""
    if isinstance(answer, Tried):
        text = redactor.redact(clean(answer.result))
        return {"status": answer.status, "ms": answer.ms, "result": text[:MAX_RESULT_CHARACTERS]}
    cleaned = _cleaned(answer, redactor)
    tools = [asdict(tool) for tool in cleaned.tools or ()]
    return {"ok": not cleaned.problem, "problem": cleaned.problem, "tools": tools}


def _record(row: MCPServer, seen: Health) -> CheckOutcome:
    """Store a result, or why it cannot be stored, so that no server keeps others from being checked."""
    try:
        with transaction.atomic():
            return health.record(row, seen)
    except (DataError, ValueError, TypeError) as error:
        logger.exception("tools.check_not_stored", server=row.name)
        return health.record(row, Health(f"Its answer cannot be stored ({type(error).__name__})."))


def _cleaned(seen: Health, redactor: Redactor) -> Health:
    """Return a result without secrets and characters that no table accepts: foreign servers wrote its texts."""
    tools = seen.tools and tuple(
        replace(
            tool,
            name=redactor.redact(tool.name),
            description=redactor.redact(tool.description),
            problem=redactor.redact(tool.problem),
            parameters=redactor.redact_json(tool.parameters),
        )
        for tool in seen.tools
    )
    return Health(redactor.redact(seen.problem), tools, redactor.redact(seen.output))
