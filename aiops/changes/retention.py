"""Selects the entries of the change log that AIOPS_RETENTION removes."""

from __future__ import annotations

from typing import Any

from auditlog.models import LogEntry
from django.db.models import QuerySet


def old(state: str, before: Any) -> QuerySet[LogEntry]:
    """Return the entries that were made before a time, oldest first."""
    found: QuerySet[LogEntry] = LogEntry.objects.filter(timestamp__lt=before).order_by("timestamp")
    return found
