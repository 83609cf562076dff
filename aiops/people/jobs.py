"""The maintenance job that removes expired tokens, idempotency keys and sessions, and old job history."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib.sessions.models import Session
from django.db import DataError, IntegrityError
from django.db.models import ProtectedError, QuerySet, RestrictedError
from django.db.models.functions import Now

from aiops import log
from aiops.maintenance.models import JobRun
from aiops.people import sessions
from aiops.people.idempotency import LIFETIME
from aiops.people.models import ApiToken, IdempotencyKey
from aiops.settings import Settings

EXPIRED: dict[str, QuerySet[Any]] = {
    "tokens": ApiToken.objects.filter(expires_at__lt=Now()),
    "idempotency_keys": IdempotencyKey.objects.filter(created_at__lt=Now() - LIFETIME),
    "sessions": Session.objects.filter(expire_date__lt=Now()),
    "browser_sessions": sessions.without_session(),
    "job_runs": JobRun.objects.filter(started_at__lt=Now() - timedelta(days=2)),
}

logger = log.get(__name__)


def remove_expired(settings: Settings) -> dict[str, int]:
    """Remove everything that has expired; return counts. A kind that cannot be removed does not stop the others."""
    removed = {"failed": 0}
    for kind, rows in EXPIRED.items():
        try:
            removed[kind] = rows.delete()[0]
        except (IntegrityError, DataError, ProtectedError, RestrictedError):
            logger.exception("tokens_and_sessions.not_removed", kind=kind)
            removed["failed"] += 1
    return removed
