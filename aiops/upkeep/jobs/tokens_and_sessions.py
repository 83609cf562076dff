"""Removes expired tokens, idempotency keys and sessions, and old rows of upkeep itself."""

from __future__ import annotations

from datetime import timedelta

from django.contrib.sessions.models import Session
from django.db.models.functions import Now

from aiops.jobs.models import JobRun
from aiops.people import idempotency, tokens
from aiops.settings import Settings

KEPT = timedelta(days=2)


def work(settings: Settings) -> dict[str, int]:
    """Do all that is due; return counts."""
    return {
        "tokens": tokens.remove_expired(),
        "idempotency_keys": idempotency.remove_expired(),
        "sessions": Session.objects.filter(expire_date__lt=Now()).delete()[0],
        "job_runs": JobRun.objects.filter(started_at__lt=Now() - KEPT).delete()[0],
    }
