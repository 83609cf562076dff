"""Removes the rows of deleted batches in small steps."""

from __future__ import annotations

from uuid import UUID

from django.db import transaction

from aiops.batches import lifecycle
from aiops.batches.isolation import Isolation
from aiops.batches.models import Batch, Item
from aiops.conversations import deletion, memories
from aiops.conversations.models import Conversation
from aiops.events import stream

BATCHES_AT_ONCE = 20
ITEMS_AT_ONCE = 200


def remove_deleted(isolation: Isolation) -> int:
    """Remove rows of deleted batches whose webhook is in the outbox; return how many items were removed."""
    due = Batch.objects.filter(deleted_at__isnull=False, webhook_due=False).order_by("deleted_at")
    count = 0
    for batch_id in list(due.values_list("pk", flat=True)[:BATCHES_AT_ONCE]):
        with isolation.of(batch_id):
            count += _remove_some(batch_id)
        if count >= ITEMS_AT_ONCE:
            break
    return count


def _remove_some(batch_id: UUID) -> int:
    """Remove some items of a batch with their conversations, or the batch itself when none is left."""
    with transaction.atomic():
        batch = lifecycle.locked(batch_id)  # before its conversations, as ``aiops.locks`` demands
        if batch is None:
            return 0
        items = list(Item.objects.filter(batch=batch).values_list("pk", "run__conversation_id")[:ITEMS_AT_ONCE])
        conversations = [conversation for _, conversation in items if conversation]
        deleted = deletion.delete(Conversation.objects.filter(pk__in=conversations, kind=Conversation.Kind.BATCH))
        Item.objects.filter(pk__in=[pk for pk, _ in items]).delete()
        if not items:
            batch.delete()
    # after the commit, because Redis cannot roll back
    memories.forget(deleted.conversations)
    stream.forget(deleted.runs)
    return len(items)
