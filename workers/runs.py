"""The runs queue: answer one run; show that a worker lives."""

from __future__ import annotations

from celery import shared_task

from aiops import dispatch, keyspace, log
from workers import process

CANARY_TTL_S = 60


@shared_task(name=dispatch.RUN_TASK)
def answer(run_id: str) -> None:
    """Answer a queued run; harmless when it is delivered twice, late, or not ours to have."""
    with log.bind(task=dispatch.RUN_TASK, run=run_id):
        process.present().answer(run_id)


@shared_task(name=dispatch.CANARY_TASK)
def sing(nonce: str) -> None:
    """Leave a sign that this queue has a worker."""
    keyspace.sync().set(keyspace.canary(nonce), "1", ex=CANARY_TTL_S)
