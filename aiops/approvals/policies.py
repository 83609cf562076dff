"""The policies that are in force, as frozen values; a change is in force within a second."""

from __future__ import annotations

import threading
import time

from django.db import DatabaseError, InterfaceError

from aiops import log
from aiops.approvals.models import ApprovalPolicy
from aiops.approvals.values import Outcome, Policies, Policy

FRESH_S = 0.5
MALFORMED = "{label} (malformed, so it allows nothing)"

logger = log.get(__name__)
_lock = threading.Lock()
_held: list[tuple[float, Policies]] = []
"""When the rows were read (monotonic seconds), and what they said."""


def read() -> Policies:
    """Return the policies of now; raises DatabaseError."""
    return Policies(tuple(_value(row) for row in ApprovalPolicy.objects.all()))


def current() -> Policies:
    """Return the policies of the last half second; while the database is away, those of before."""
    held = _held[0] if _held else None
    if held is not None and time.monotonic() - held[0] < FRESH_S:
        return held[1]
    with _lock:
        try:
            policies = read()
        except (DatabaseError, InterfaceError) as error:
            if held is None:
                raise
            logger.warning("policies.unread", error=str(error))
            policies = held[1]
        if held is not None and policies == held[1]:
            policies = held[1]
        _held[:] = [(time.monotonic(), policies)]
    return policies


def _value(row: ApprovalPolicy) -> Policy:
    """Return a row as a value; what the database has and this version does not know allows nothing."""
    conditions = {name: getattr(row, name) for name in ("tool_class", "server", "tool", "agent_kind", "environment")}
    known = row.outcome in list(Outcome) and (row.outcome != Outcome.ASK_ROLE or row.role)
    if not known:
        return Policy(MALFORMED.format(label=row), Outcome.NEVER, **conditions)
    return Policy(str(row), Outcome(row.outcome), row.role, row.expires_s, **conditions)
