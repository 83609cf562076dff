"""Removes the memory of conversations that have been idle for AIOPS_MEMORY_TTL_S, and records that it is gone."""

from __future__ import annotations

from datetime import timedelta

from django.db import transaction
from django.db.models import Exists, OuterRef
from django.db.models.functions import Now

from aiops import keyspace
from aiops.conversations import memories
from aiops.conversations.models import Conversation
from aiops.errors import Unavailable
from aiops.locks import lock
from aiops.runs import states
from aiops.runs.models import Run
from aiops.settings import Settings

STEP = 500


def expire_memories(settings: Settings) -> dict[str, int]:
    """Remove what is due; return counts. Redis expires the keys by itself too; this also updates the rows."""
    ttl_s = settings.memory_ttl_s + settings.memory_grace_s
    age = timedelta(seconds=ttl_s)
    busy = Run.objects.filter(conversation=OuterRef("pk"), state__in=states.UNFINISHED)
    idle = Conversation.objects.filter(~Exists(busy), memory_used_at__lt=Now() - age).order_by("memory_used_at")
    removed = 0
    while ids := list(idle.values_list("pk", flat=True)[:STEP]):
        if not memories.forget([str(pk) for pk in ids]):
            raise Unavailable("The memory server does not answer.")
        with transaction.atomic():
            # Read again under the lock: a run may have used memory meanwhile.
            still = lock(Conversation.objects.filter(pk__in=ids, memory_used_at__lt=Now() - age))
            removed += Conversation.objects.filter(pk__in=still).update(memory_used_at=None)
    changed = 0
    if settings.checkpointer == "redis":
        client = keyspace.sync(settings.memory_redis)
        _, changed = keyspace.set_missing_expiries(client, keyspace.MEMORY_PATTERN, ttl_s=ttl_s)
    return {"memories_removed": removed, "lives_set": changed}
