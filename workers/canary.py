"""A task that every worker knows: it shows that a queue has a worker."""

from __future__ import annotations

from celery import shared_task

from aiops import dispatch, keyspace

CANARY_TTL_S = 60


@shared_task(name=dispatch.CANARY_TASK)
def report_alive(nonce: str) -> None:
    """Set a key that expires, under the nonce of whoever checks the queue."""
    keyspace.sync().set(keyspace.canary(nonce), "1", ex=CANARY_TTL_S)
