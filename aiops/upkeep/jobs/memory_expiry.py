"""Removes the memory of conversations that were idle past their time, and notes that it is gone."""

from __future__ import annotations

from datetime import timedelta

from django.db.models import Exists, OuterRef
from django.db.models.functions import Now

from aiops import keyspace
from aiops.conversations import memories
from aiops.conversations.models import Conversation, Run
from aiops.errors import Unavailable
from aiops.settings import Settings

STEP = 500


def work(settings: Settings) -> dict[str, int]:
    """Do all that is due; return counts. Redis drops the keys by itself too; this also tells the rows."""
    age = timedelta(seconds=settings.memory_ttl_s + settings.memory_grace_s)
    busy = Run.objects.filter(conversation=OuterRef("pk"), state__in=Run.UNFINISHED)
    idle = Conversation.objects.filter(~Exists(busy), memory_used_at__lt=Now() - age).order_by("memory_used_at")
    removed = 0
    while ids := list(idle.values_list("pk", flat=True)[:STEP]):
        if not memories.forget([str(pk) for pk in ids]):
            raise Unavailable("The server that holds memory does not answer.")
        removed += Conversation.objects.filter(pk__in=ids, memory_used_at__lt=Now() - age).update(memory_used_at=None)
    in_redis = settings.checkpointer == "redis"
    return {"memories_removed": removed, "lives_set": _set_missing_lives(settings) if in_redis else 0}


def _set_missing_lives(settings: Settings) -> int:
    """Give an end to memory that has none (a client died between two commands, or somebody persisted it)."""
    client = keyspace.sync(settings.memory_redis)
    count = 0
    for key in client.scan_iter(match=keyspace.MEMORY_PATTERN, count=STEP):
        if client.ttl(key) == -1:
            client.expire(key, settings.memory_ttl_s + settings.memory_grace_s)
            count += 1
    return count
