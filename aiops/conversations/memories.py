"""Forgets what agents remember of conversations, wherever memory lives; loads nothing of the agent."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import redis
from django.db import DatabaseError, connection

from aiops import keyspace, log, settings
from aiops.conversations.models import Conversation

TABLES = ("checkpoints", "checkpoint_blobs", "checkpoint_writes")
"""Tables of langgraph-checkpoint-postgres 3.2, each with a ``thread_id``."""
ORPHANED = """
    SELECT DISTINCT thread_id FROM checkpoints c WHERE NOT EXISTS
        (SELECT 1 FROM conversations_conversation v WHERE v.id::text = c.thread_id) LIMIT %s"""
STEP = 500

logger = log.get(__name__)


def forget(conversation_ids: Sequence[str]) -> bool:
    """Remove the memory of these conversations; False, logged, when its server does not answer."""
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
    """Remove memory whose conversation is gone; return how many. Raises RedisError or DatabaseError."""
    ours, count = settings.current(), 0
    if ours.checkpointer == "postgres":
        with connection.cursor() as cursor:
            cursor.execute(ORPHANED, [STEP])
            orphans = [row[0] for row in cursor.fetchall()]
        _delete_rows(orphans)
        return len(orphans)
    if ours.checkpointer == "redis":
        client = keyspace.sync(ours.memory_redis)
        keys: list[bytes] = []
        for key in client.scan_iter(match=keyspace.MEMORY_PATTERN, count=STEP):
            keys.append(key)
            if len(keys) == STEP:
                count += _forget_orphans_among(client, keys)
                keys = []
        count += _forget_orphans_among(client, keys)
    return count


def _forget_orphans_among(client: redis.Redis, keys: list[bytes]) -> int:
    ids = {key.decode().rpartition(":")[2]: key for key in keys}
    known = Conversation.objects.filter(pk__in=[one for one in ids if _is_id(one)]).values_list("pk", flat=True)
    orphans = [ids[one] for one in set(ids) - {str(pk) for pk in known}]
    if orphans:
        client.delete(*orphans)
    return len(orphans)


def _is_id(text: str) -> bool:
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False


def _delete_rows(conversation_ids: Sequence[str]) -> None:
    with connection.cursor() as cursor:
        for table in TABLES:
            cursor.execute(f"DELETE FROM {table} WHERE thread_id = ANY(%s)", [list(conversation_ids)])  # noqa: S608
