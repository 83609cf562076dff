"""Takes back runs whose worker fell silent, and sends again what the queue lost. Never copies a backlog.

A queued run's message is lost when the queue and the workers hold fewer messages than runs were sent: queues are first
in, first out, so it is the oldest that are missing. A message on its way to a worker, whose heartbeat tells what it
holds, looks the same for a moment, so a run is sent again only when it was suspected before and still waits.
"""

from __future__ import annotations

import time
from datetime import timedelta
from uuid import UUID

import redis
from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from aiops import dispatch, keyspace, log, metrics
from aiops.conversations import queueing, transitions
from aiops.conversations.models import Run
from aiops.conversations.transitions import TakenBack
from aiops.errors import Unavailable
from aiops.events import stream, types
from aiops.events.types import Event
from aiops.settings import Settings
from aiops.upkeep import clock

MOST_AT_ONCE = 1_000
PATIENCE_S = 4.0
"""A message this young may be between the queue and its claim."""

SUSPICION_S = 5.0
"""A run must look lost this long, and a heartbeat more: then its worker, however busy, has told that it holds it."""
SILENT_HEARTBEATS = 3
SILENT_S = 5.0
"""What a worker held that fell silent this long ago, and so many heartbeats, counts no more: a busy one may be late."""

logger = log.get(__name__)
_suspected: dict[UUID, float] = {}
"""Runs that looked lost at the last look, and since when (monotonic seconds)."""
_rest_until: list[float] = []
"""After the clock was set leases look expired that are not: workers renew them meanwhile (monotonic seconds)."""


def work(settings: Settings) -> dict[str, int]:
    """Do all that is due; return counts."""
    if clock.was_set():
        logger.warning("reaper.clock_was_set")
        _rest_until[:] = [time.monotonic() + settings.lease_s]
    transitions.shorten_leases(lease_s=settings.lease_s)
    if _rest_until and time.monotonic() < _rest_until[0]:
        return {"taken_back": 0, "sent_again": 0}
    taken = _take_back(settings)
    return {"taken_back": taken, "sent_again": _send_again(settings)}


def _take_back(settings: Settings) -> int:
    expired = Run.objects.filter(state=Run.State.RUNNING, lease_until__lt=Now()).order_by("lease_until")
    told: dict[str, Event] = {}
    free: list[UUID] = []
    last = Q(attempts__gte=settings.max_attempts) | Q(cancel_requested_at__isnull=False)
    ending = set(expired.filter(last).values_list("pk", flat=True)[:MOST_AT_ONCE])
    for run_id, fence, conversation in list(expired.values_list("pk", "fence", "conversation_id")[:MOST_AT_ONCE]):
        said = stream.said(str(run_id)) if run_id in ending else ""
        taken = transitions.take_back(str(run_id), fence=fence, max_attempts=settings.max_attempts, said=said)
        if taken is None:
            continue
        logger.warning("run.taken_back", run=taken.run_id, state=taken.state)
        metrics.count(metrics.TAKEN_BACK, taken.state)
        told[taken.run_id] = _event(taken)
        free.append(conversation)
    stream.append_now(told, ttl_s=settings.stream_ttl_s)
    for conversation in free:
        queueing.send_next(conversation)
    return len(told)


def _event(taken: TakenBack) -> Event:
    """Return the event that tells it, and that shuts the silent worker out of the stream."""
    if taken.state == Run.State.QUEUED:
        return types.house(taken.run_id, taken.fence, 1, types.REQUEUED, reason="worker_lost")
    failed = taken.state == Run.State.FAILED
    name, data = (types.FAILED, {"error": taken.error}) if failed else (types.CANCELLED, {})
    return types.house(taken.run_id, taken.fence, 2, name, **data)


def _concurrency(settings: Settings, queue: str) -> int:
    """Return how many runs one worker process of a queue answers at once."""
    return settings.batch_concurrency if queue == dispatch.BATCH_QUEUE else settings.concurrency


def _all_busy(settings: Settings, queue: str) -> bool:
    """Whether no worker could begin another run: what then seems lost is held by a worker until one ends.

    RabbitMQ counts a message that a busy worker holds as gone from its queue.
    """
    try:
        capacity = keyspace.live_workers(queue) * _concurrency(settings, queue)
    except redis.RedisError as error:
        logger.warning("reaper.workers_unseen", error=str(error))
        return False
    return Run.objects.filter(queue=queue, state=Run.State.RUNNING).count() >= capacity


def _send_again(settings: Settings) -> int:
    free = Run.objects.filter(~transitions.older_unfinished(), state=Run.State.QUEUED)
    unsent = free.filter(Q(sent_at=None), queued_at__lt=Now() - timedelta(seconds=PATIENCE_S))
    due = list(unsent.order_by("queued_at").values_list("pk", flat=True)[:MOST_AT_ONCE])
    try:
        look_lost = [one for queue in dispatch.RUN_QUEUES for one in _look_lost(settings, free, queue)]
    except Unavailable as error:
        logger.warning("reaper.queue_unseen", error=error.detail)
        return 0
    due += _still_lost(look_lost, for_s=settings.heartbeat_s + SUSPICION_S)
    count = 0
    for run_id in due:
        if not queueing.send(run_id):
            break  # the broker is down: the rest stays due
        count += 1
        metrics.count(metrics.SENT_AGAIN)
        logger.warning("run.sent_again", run=str(run_id))
    return count


def _look_lost(settings: Settings, free: QuerySet[Run], queue: str) -> list[UUID]:
    """Return the runs whose message is neither in the queue nor in a worker's hands; raises Unavailable."""
    sent = free.filter(queue=queue, sent_at__isnull=False)
    oldest_first = sent.filter(sent_at__lt=Now() - timedelta(seconds=PATIENCE_S)).order_by("sent_at")
    if not oldest_first.exists() or _all_busy(settings, queue):
        return []
    lost = sent.count() - dispatch.depth(queue) - _held(settings, queue)
    return list(oldest_first.values_list("pk", flat=True)[: min(max(lost, 0), MOST_AT_ONCE)])


def _held(settings: Settings, queue: str) -> int:
    """Return how many messages workers say that they hold; none while Redis is away."""
    try:
        return keyspace.held_unclaimed(queue, seen_within_s=max(SILENT_HEARTBEATS * settings.heartbeat_s, SILENT_S))
    except redis.RedisError as error:
        logger.warning("reaper.workers_unseen", error=str(error))
        return 0


def _still_lost(looks_lost: list[UUID], *, for_s: float) -> list[UUID]:
    """Remember who looks lost now, and return those who have for a while."""
    now = time.monotonic()
    since = {run_id: _suspected.get(run_id, now) for run_id in looks_lost}
    _suspected.clear()
    _suspected.update(since)
    return [run_id for run_id, first in since.items() if now - first >= for_s]
