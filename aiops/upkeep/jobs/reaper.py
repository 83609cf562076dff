"""Takes back runs whose worker fell silent, and sends again what the queue lost. Never copies a backlog.

A queued run's message is lost when the queue holds fewer messages than runs were sent: queues are first in, first out,
so it is the oldest that are missing. A message between the queue and its claim looks the same for a moment, so a run is
sent again only when it was suspected before and still waits.
"""

from __future__ import annotations

import time
from datetime import timedelta
from uuid import UUID

import redis
from django.db.models import Q
from django.db.models.functions import Now

from aiops import dispatch, keyspace, log
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

SUSPICION_S = 1.5
"""A run must look lost this long; a claim takes milliseconds."""

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


def _all_busy(settings: Settings) -> bool:
    """Whether no worker could begin another run: what then seems lost is held by a worker until one ends.

    RabbitMQ counts a message that a busy worker holds as gone from its queue.
    """
    try:
        capacity = keyspace.live_workers() * settings.concurrency
    except redis.RedisError as error:
        logger.warning("reaper.workers_unseen", error=str(error))
        return False
    return Run.objects.filter(state=Run.State.RUNNING).count() >= capacity


def _send_again(settings: Settings) -> int:
    free = Run.objects.filter(~transitions.older_unfinished(), state=Run.State.QUEUED)
    unsent = free.filter(Q(sent_at=None), queued_at__lt=Now() - timedelta(seconds=PATIENCE_S))
    due = list(unsent.order_by("queued_at").values_list("pk", flat=True)[:MOST_AT_ONCE])
    sent = free.filter(sent_at__isnull=False)
    oldest_first = sent.filter(sent_at__lt=Now() - timedelta(seconds=PATIENCE_S)).order_by("sent_at")
    if oldest_first.exists() and not _all_busy(settings):
        try:
            lost = sent.count() - dispatch.depth(dispatch.RUNS_QUEUE)
        except Unavailable as error:
            logger.warning("reaper.queue_unseen", error=error.detail)
            return 0
        due += _still_lost(list(oldest_first.values_list("pk", flat=True)[: min(max(lost, 0), MOST_AT_ONCE)]))
    count = 0
    for run_id in due:
        if not queueing.send(run_id):
            break  # the broker is down: the rest stays due
        count += 1
        logger.warning("run.sent_again", run=str(run_id))
    return count


def _still_lost(looks_lost: list[UUID]) -> list[UUID]:
    """Remember who looks lost now, and return those who have for a while."""
    now = time.monotonic()
    since = {run_id: _suspected.get(run_id, now) for run_id in looks_lost}
    _suspected.clear()
    _suspected.update(since)
    return [run_id for run_id, first in since.items() if now - first >= SUSPICION_S]
