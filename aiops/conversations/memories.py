"""Forgets what agents remember of conversations, wherever memory lives; loads nothing of the agent."""

from __future__ import annotations

from collections.abc import Sequence

import redis
from django.db import DatabaseError, connection

from aiops import keyspace, log, settings

TABLES = ("checkpoints", "checkpoint_blobs", "checkpoint_writes")
"""Tables of langgraph-checkpoint-postgres 3.2, each with a ``thread_id``."""

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


def _delete_rows(conversation_ids: Sequence[str]) -> None:
    with connection.cursor() as cursor:
        for table in TABLES:
            cursor.execute(f"DELETE FROM {table} WHERE thread_id = ANY(%s)", [list(conversation_ids)])  # noqa: S608
