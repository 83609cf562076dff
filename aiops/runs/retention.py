"""How AIOPS_RETENTION selects and removes runs."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet

from aiops import dispatch
from aiops.conversations import deletion, memories
from aiops.conversations.models import Conversation, Message
from aiops.events import stream
from aiops.locks import lock
from aiops.runs.models import Run


def ended(state: str, before: Any) -> QuerySet[Run]:
    """Return chat runs that ended in this state before this time, oldest first."""
    return Run.objects.filter(queue=dispatch.RUNS_QUEUE, state=state, finished_at__lt=before).order_by("finished_at")


def remove(due: QuerySet[Run]) -> int:
    """Remove runs with their question and answer, and conversations that are then empty."""
    with transaction.atomic():  # conversations before runs, in the order of aiops.locks
        touched = deletion.lock_all(set(due.values_list("conversation_id", flat=True)))
        ids = lock(due.filter(conversation__in=touched), to_delete=True)
        rows = Run.objects.filter(pk__in=ids)
        messages = [pk for pair in rows.values_list("message_id", "answer_id") for pk in pair]
        rows.delete()
        Message.objects.filter(pk__in=messages).delete()
        remaining = Exists(Message.objects.filter(conversation=OuterRef("pk")))
        deleted = deletion.delete(Conversation.objects.filter(~remaining, pk__in=touched))
    stream.forget(map(str, ids))
    memories.forget(deleted.conversations)
    return len(ids)
