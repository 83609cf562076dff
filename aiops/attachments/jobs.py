"""Removes attachments that were sent with no message."""

from __future__ import annotations

from datetime import timedelta

from django.db import transaction
from django.db.models.functions import Now

from aiops.attachments.limits import UNSENT_HOURS
from aiops.attachments.models import Attachment
from aiops.locks import lock
from aiops.settings import Settings

STEP = 200


def remove_unsent(settings: Settings) -> dict[str, int]:
    """Remove what is due, in short transactions; return the count."""
    due = Attachment.objects.filter(message=None, created_at__lt=Now() - timedelta(hours=UNSENT_HOURS))
    removed = 0
    while ids := list(due.order_by("created_at").values_list("pk", flat=True)[:STEP]):
        with transaction.atomic():
            # Read again under the lock: a message may have been sent with one meanwhile.
            still = lock(due.filter(pk__in=ids), to_delete=True)
            removed += Attachment.objects.filter(pk__in=still).delete()[0]
    return {"attachments": removed}
