"""How many items may have a run: what live workers can answer, without those that wait for people."""

from __future__ import annotations

from uuid import UUID

import redis
from django.db.models import Count

from aiops import dispatch, keyspace, log
from aiops.batches.models import Batch, Item
from aiops.runs.states import State
from aiops.settings import Settings

QUEUED_PER_SLOT = 2
"""Runs for each item that workers can answer at once: some wait in the queue, so that no worker is idle."""

logger = log.get(__name__)


def waiting_for_people() -> dict[UUID, int]:
    """Return how many items of each batch wait for a decision."""
    items = Item.objects.filter(state=Item.State.RUNNING, run__state=State.WAITING_APPROVAL)
    return dict(items.values_list("batch").annotate(n=Count("pk")).values_list("batch", "n"))


def waiting_of(batch: Batch) -> int:
    """Return how many items of one batch wait for a decision."""
    return Item.objects.filter(batch=batch, state=Item.State.RUNNING, run__state=State.WAITING_APPROVAL).count()


def of_workers(settings: Settings) -> int:
    """Return how many items may have a run: those that live workers can answer at once, and some that wait."""
    try:
        workers = keyspace.live_workers(dispatch.BATCH_QUEUE)
    except redis.RedisError as error:
        logger.warning("batches.workers_unknown", error=str(error))
        workers = 1  # batches continue slowly while Redis is unreachable
    return max(workers, 1) * settings.batch_concurrency * QUEUED_PER_SLOT
