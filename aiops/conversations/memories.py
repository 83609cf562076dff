"""Removes agents' memory of conversations from Redis or PostgreSQL, without loading the agent stack."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from uuid import UUID

import redis
from django.db import DatabaseError, connection, transaction
from django.db.models import F

from aiops import keyspace, log, settings
from aiops.conversations.models import Conversation
from aiops.errors import Conflict
from aiops.locks import lock
from aiops.runs import states

TABLES = ("checkpoints", "checkpoint_blobs", "checkpoint_writes")
"""Tables of langgraph-checkpoint-postgres 3.2, each with a ``thread_id``."""
ORPHANED = """
    SELECT DISTINCT thread_id FROM checkpoints c WHERE NOT EXISTS
        (SELECT 1 FROM conversations_conversation v WHERE v.id::text = c.thread_id) LIMIT %s"""
STEP = 500

logger = log.get(__name__)


def clear(conversation: Conversation) -> None:
    """Exclude all messages so far from memory; raises Conflict while a run is unfinished.

    After the commit the caller removes the memory itself (``forget``).
    """
    with transaction.atomic():
        lock(Conversation.objects.filter(pk=conversation.pk))  # a message may be being accepted
        if conversation.runs.filter(state__in=states.UNFINISHED).exists():
            raise Conflict(
                "A run of this conversation is unfinished: wait for it or cancel it.", code="conversation_busy"
            )
        Conversation.objects.filter(pk=conversation.pk).update(memory_from=F("last_position"), memory_used_at=None)


def forget(conversation_ids: Sequence[str]) -> bool:
    """Remove the memory of these conversations; False (logged) when the memory server does not answer."""
    ours = settings.current()
    try:
        if ours.checkpointer == "postgres":
            _delete_rows(conversation_ids)
        elif ours.checkpointer == "redis" and conversation_ids:
            keyspace.sync(ours.memory_redis).delete(*map(keyspace.memory, conversation_ids))
    except (redis.RedisError, DatabaseError) as error:
        logger.warning("memory.not_forgotten", count=len(conversation_ids), error=str(error))
        return False
    return True


def forget_orphans() -> int:
    """Remove memory of deleted conversations; return how many. Raises RedisError or DatabaseError."""
    ours, count = settings.current(), 0
    if ours.checkpointer == "postgres":
        with connection.cursor() as cursor:
            cursor.execute(ORPHANED, [STEP])
            orphans = [row[0] for row in cursor.fetchall()]
        _delete_rows(orphans)
        return len(orphans)
    if ours.checkpointer == "redis":
        client = keyspace.sync(ours.memory_redis)
        found = client.scan_iter(match=keyspace.MEMORY_PATTERN, count=STEP)
        while keys := list(islice(found, STEP)):
            count += _forget_orphans_among(client, keys)
    return count


def _forget_orphans_among(client: redis.Redis, keys: list[bytes]) -> int:
    ids = {key.decode(errors="replace").rpartition(":")[2]: key for key in keys}
    known = Conversation.objects.filter(pk__in=[one for one in ids if _is_id(one)]).values_list("pk", flat=True)
    orphans = [ids[one] for one in set(ids) - {str(pk) for pk in known}]
    if orphans:
        client.delete(*orphans)
    return len(orphans)


def _is_id(text: str) -> bool:
    """Return whether a key ends in an id: other programs may have written keys that match the pattern."""
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False


def _delete_rows(conversation_ids: Sequence[str]) -> None:
    with connection.cursor() as cursor:
        for table in TABLES:
            cursor.execute(f"DELETE FROM {table} WHERE thread_id = ANY(%s)", [list(conversation_ids)])  # noqa: S608
