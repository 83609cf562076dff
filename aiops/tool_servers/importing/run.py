"""Imports a configuration file: reads it, plans, and writes the new rows in one transaction."""

from __future__ import annotations

from dataclasses import replace

from django.db import IntegrityError, transaction

from aiops import log
from aiops.errors import Conflict
from aiops.events.redaction import Redactor
from aiops.settings import Settings
from aiops.tool_servers import lifecycle
from aiops.tool_servers.importing import reading
from aiops.tool_servers.importing.plan import Plan, Planner
from aiops.tool_servers.importing.secrets import SecretFinder
from aiops.tool_servers.models import MCPServer

MAX_CHARACTERS = 300
"""Of a name or a reason that is shown."""

logger = log.get(__name__)


def run(data: bytes, settings: Settings, *, may_run_commands: bool, dry_run: bool) -> Plan:
    """Import a file, or only plan it; returns the plan, redacted. Raises Invalid or Conflict."""
    redactor = Redactor.from_settings(settings)
    planner = Planner(
        reading.read(data),
        MCPServer.objects.all(),
        taken=settings.tool_servers if settings.environment == "LAB" else (),
        may_run_commands=may_run_commands,
        finder=SecretFinder(redactor),
    )
    plan = planner.plan()
    if not dry_run and plan.rows:
        try:
            with transaction.atomic():
                lifecycle.add(plan.rows)
        except IntegrityError as error:
            raise Conflict("A tool server of the same name was added meanwhile: import the file again.") from error
        logger.info("tools.imported", servers=[row.name for row in plan.rows])
    return _shown(plan, redactor)


def _shown(plan: Plan, redactor: Redactor) -> Plan:
    """Return the plan without secrets in names and reasons, which have words of the file."""
    outcomes = [
        replace(one, was=redactor.redact(one.was)[:MAX_CHARACTERS], reason=redactor.redact(one.reason)[:MAX_CHARACTERS])
        for one in plan.outcomes
    ]
    return Plan(outcomes, plan.rows, {name: redactor.redact(text) for name, text in sorted(plan.sources.items())})
