"""Writes a delivery for everything that ended and is to be told; the ended row itself is the note of it."""

from __future__ import annotations

from typing import Any

from django.db import transaction

from aiops.batches.models import Batch
from aiops.conversations.models import Run
from aiops.webhooks.models import Delivery

MOST_AT_ONCE = 200
ANSWER_CHARACTERS = 16_000
"""Longer answers are cut; the link has them whole."""


def collect() -> int:
    """Write what is due; return how many. May be called by anybody, twice: a row is told once for each end."""
    return _runs() + _batches()


def _runs() -> int:
    due = Run.objects.filter(state__in=Run.ENDED, webhook_due=True).order_by("pk")[:MOST_AT_ONCE]
    count = 0
    for run in due:
        with transaction.atomic():
            if Run.objects.filter(pk=run.pk, webhook_due=True).update(webhook_due=False):
                made = Delivery(user_id=run.user_id, url=run.webhook, event=f"run.{run.state}", run=run)
                made.payload = {"type": made.event, "data": _run(run)}
                made.save()
                count += 1
    return count


def _batches() -> int:
    due = Batch.objects.filter(state__in=Batch.ENDED, webhook_due=True, deleted_at=None).order_by("pk")[:MOST_AT_ONCE]
    count = 0
    for batch in due:
        with transaction.atomic():
            if Batch.objects.filter(pk=batch.pk, webhook_due=True).update(webhook_due=False):
                made = Delivery(user_id=batch.user_id, url=batch.webhook, event=f"batch.{batch.state}", batch=batch)
                made.payload = {"type": made.event, "data": _batch(batch)}
                made.save()
                count += 1
    return count


def _run(run: Run) -> dict[str, Any]:
    return {
        "id": str(run.pk),
        "conversation": str(run.conversation_id),
        "message": str(run.message_id),
        "state": run.state,
        "answer": run.answer[:ANSWER_CHARACTERS],
        "cut": len(run.answer) > ANSWER_CHARACTERS,
        "error": run.error,
        "usage": run.usage,
        "link": f"/api/runs/{run.pk}/",
    }


def _batch(batch: Batch) -> dict[str, Any]:
    names = ("total", "succeeded", "failed", "cancelled", "expired", "invalid")
    return {
        "id": str(batch.pk),
        "name": batch.name,
        "state": batch.state,
        "counts": {name: getattr(batch, name) for name in names},
        "error": batch.error,
        "link": f"/api/batches/{batch.pk}/",
    }
