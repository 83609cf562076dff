"""Writes deliveries: one for every ended run and batch with a webhook, which a flag on the ended row marks as due; and
notices for people.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import DataError, transaction

from aiops import log, net
from aiops.batches.models import Batch
from aiops.runs import states
from aiops.runs.models import Run
from aiops.webhooks.models import Delivery

MAX_ROWS = 200
ANSWER_CHARACTERS = 16_000
"""Longer answers are truncated; the link leads to the whole answer."""

logger = log.get(__name__)


@dataclass(frozen=True, slots=True)
class Notice:
    """What a person gets to read: an event, a line, the text, the page about it; and the data for programs."""

    event: str
    title: str
    text: str
    link: str
    data: dict[str, Any]


def notify(notice: Notice, *, user_id: UUID, form: str, to: str) -> None:
    """Write the delivery of a notice: to a web address, or to a mail address (form ``mail``).

    Must run in the transaction of what it is about. What it says may be hostile: forms escape it where they are sent.
    """
    if form == Delivery.Form.MAIL:
        url, host = f"mailto:{to}", Delivery.Form.MAIL.value
    else:
        url, host = to, net.host_of(to)
    said = {"title": notice.title, "text": notice.text, "link": notice.link}
    payload = {"type": notice.event, "data": notice.data} if form == Delivery.Form.WEBHOOK else said
    Delivery.objects.create(user_id=user_id, form=form, url=url, host=host, event=notice.event, payload=payload)


def collect() -> int:
    """Write all due deliveries; return how many. Concurrent calls still write one delivery for each end."""
    runs = Run.objects.filter(state__in=states.ENDED, webhook_due=True).order_by("pk")[:MAX_ROWS]
    batches = Batch.objects.filter(state__in=Batch.ENDED, webhook_due=True).order_by("pk")[:MAX_ROWS]
    # a transaction for each end, so that a broken one does not stop the others
    written = sum(_write(run, f"run.{run.state}", _run_data, run=run) for run in runs)
    return written + sum(_write(batch, f"batch.{batch.state}", _batch_data, batch=batch) for batch in batches)


def _write(ended: Any, event: str, data: Callable[[Any], dict[str, Any]], **link: Any) -> int:
    """Write the delivery of one end, or a failed one with the reason; return 0 when another process has written it."""
    delivery = Delivery(user_id=ended.user_id, url=ended.webhook, host=net.host_of(ended.webhook), event=event, **link)
    try:
        delivery.payload = {"type": event, "data": data(ended)}
        return _save(ended, delivery)
    except (ValueError, TypeError, DataError) as error:  # a retry would fail in the same way
        logger.exception("webhook.not_written", ended=str(ended.pk))
        delivery.payload, delivery.state, delivery.next_at = {"type": event}, Delivery.State.FAILED, None
        delivery.error = f"Its payload could not be written ({type(error).__name__})."
        return _save(ended, delivery)


def _save(ended: Any, delivery: Delivery) -> int:
    with transaction.atomic():
        # clearing the flag is the lock: whoever clears it writes the delivery
        if not type(ended).objects.filter(pk=ended.pk, webhook_due=True).update(webhook_due=False):
            return 0
        delivery.save(force_insert=True)
        return 1


def _run_data(run: Run) -> dict[str, Any]:
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


def _batch_data(batch: Batch) -> dict[str, Any]:
    names = ("total", "succeeded", "failed", "cancelled", "expired", "invalid")
    return {
        "id": str(batch.pk),
        "name": batch.name,
        "state": batch.state,
        "counts": {name: getattr(batch, name) for name in names},
        "error": batch.error,
        "link": f"/api/batches/{batch.pk}/",
    }
