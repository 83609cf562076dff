"""Shows that a queue has a worker: every worker knows this task."""

from __future__ import annotations

from celery import shared_task

from aiops import dispatch, keyspace

CANARY_TTL_S = 60


@shared_task(name=dispatch.CANARY_TASK)
def sing(nonce: str) -> None:
    """Leave a sign that this queue has a worker."""
    keyspace.sync().set(keyspace.canary(nonce), "1", ex=CANARY_TTL_S)
