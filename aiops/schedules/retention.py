"""Selects the firings that AIOPS_RETENTION removes."""

from __future__ import annotations

from typing import Any

from django.db.models import Q, QuerySet

from aiops.schedules.models import Firing


def ended(state: str, before: Any) -> QuerySet[Firing]:
    """Return firings before a time that have their final outcome, oldest first."""
    return Firing.objects.filter(~Q(outcome=Firing.Outcome.STARTED), fired_at__lt=before).order_by("fired_at")
