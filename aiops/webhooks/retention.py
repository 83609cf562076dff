"""Selects the deliveries that AIOPS_RETENTION removes."""

from __future__ import annotations

from typing import Any

from django.db.models import Q, QuerySet

from aiops.webhooks.models import Delivery


def ended(state: str, before: Any) -> QuerySet[Delivery]:
    """Return delivered and failed deliveries that were created before a time, oldest first."""
    return Delivery.objects.filter(~Q(state=Delivery.State.PENDING), created_at__lt=before).order_by("created_at")
