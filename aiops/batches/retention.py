"""Selects the batches that AIOPS_RETENTION removes, and hides them."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now

from aiops.batches.models import Batch
from aiops.locks import lock


def ended(state: str, before: Any) -> QuerySet[Batch]:
    """Return batches that ended in a state before a time, oldest first."""
    return Batch.objects.filter(state=state, ended_at__lt=before, deleted_at=None).order_by("ended_at")


def hide(due: QuerySet[Batch]) -> int:
    """Hide batches as ``lifecycle.delete`` does; the job ``batches`` removes their rows in small steps."""
    with transaction.atomic():
        return Batch.objects.filter(pk__in=lock(due)).update(deleted_at=Now())
