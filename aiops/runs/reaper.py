"""Takes back runs whose lease has expired, and resends runs whose message the queue lost, without copying a backlog.

Messages are lost when the queue and the workers hold fewer of them than runs were sent. Queues are first in, first out,
so the oldest are missing. A message on its way to a worker looks lost for a moment, until that worker's heartbeat
reports it: a run is resent only when it has looked lost for some time.
"""

from __future__ import annotations

import sys
import threading
import time
from collections import Counter
from datetime import timedelta
from typing import assert_never
from uuid import UUID

import redis
from django.db import InterfaceError, OperationalError
from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from aiops import database, dispatch, keyspace, log, metrics
from aiops.errors import Unavailable
from aiops.events import stream, types
from aiops.events.types import Event
from aiops.maintenance import clock
from aiops.runs import recovery, send, transitions
from aiops.runs.models import Run
from aiops.runs.recovery import TakenBack
from aiops.runs.states import Place, State
from aiops.settings import Settings

MOST_AT_ONCE = 1_000
PATIENCE_S = 4.0
"""A younger message may be between the queue and its claim."""

SUSPICION_S = 5.0
"""A run is resent after it has looked lost for this long plus a heartbeat: by then a busy worker has reported it."""
SILENT_HEARTBEATS = 3
SILENT_S = 5.0
"""The messages of a worker count until it has been silent for this long and so many heartbeats: a busy one is late."""

STUCK_S = 60.0
"""A pass that takes longer hangs: each of its calls has a shorter limit."""
NOTHING = {"taken_back": 0, "failed": 0, "sent_again": 0}

logger = log.get(__name__)
_began = [0.0]
"""When the present pass began, or the last one (monotonic seconds)."""
_at_work = threading.Lock()
"""A slow pass is still at work when the next is due, which would resend what the first is about to send."""
_suspected: dict[UUID, float] = {}
"""Runs that looked lost at the last pass, and since when (monotonic seconds)."""
_paused_until: list[float] = []
"""Monotonic seconds. After the clock was set, valid leases look expired until their workers renew them."""


def reap(settings: Settings) -> dict[str, int]:
    """Take back and resend what is due; return counts, all 0 when another thread of this process is at it.

    Raises TimeoutError when that one does not end, so that nobody takes a reaper that hangs for one that works.
    """
    if not _at_work.acquire(blocking=False):
        if (late_s := time.monotonic() - _began[0]) > STUCK_S:
            raise TimeoutError(f"The pass that began {late_s:.0f} s ago has not ended.")
        return dict(NOTHING)
    _began[:] = [time.monotonic()]
    try:
        return _reap(settings)
    finally:
        _at_work.release()


def _reap(settings: Settings) -> dict[str, int]:
    if clock.was_set():
        logger.warning("reaper.clock_was_set")
        _paused_until[:] = [time.monotonic() + settings.lease_s]
    recovery.shorten_leases(lease_s=settings.lease_s)
    if _paused_until and time.monotonic() < _paused_until[0]:
        return dict(NOTHING)
    done = _take_back(settings)
    return {"taken_back": done["taken_back"], "failed": done["failed"], "sent_again": _resend_lost(settings)}


def _take_back(settings: Settings) -> Counter[str]:
    """Take back runs with expired leases; one that raises an error is failed, so that it cannot block the others."""
    expired = Run.objects.filter(state=State.RUNNING, lease_until__lt=Now()).order_by("lease_until")
    ends = recovery.ends(max_attempts=settings.max_attempts)
    ending = set(expired.filter(ends).values_list("pk", flat=True)[:MOST_AT_ONCE])
    done: Counter[str] = Counter()
    events: dict[str, Event] = {}
    free: list[UUID] = []
    try:
        for run_id, fence, conversation in list(expired.values_list("pk", "fence", "conversation_id")[:MOST_AT_ONCE]):
            try:
                partial = stream.partial_answer(str(run_id)) if run_id in ending else None
                taken = recovery.take_back(
                    str(run_id), fence=fence, max_attempts=settings.max_attempts, partial=partial
                )
            except (OperationalError, InterfaceError):  # the database failed, not this run
                raise
            except Exception as error:  # one broken run must not block the others
                logger.exception("run.not_taken_back", run=str(run_id))
                taken = recovery.abandon(str(run_id), fence=fence, reason=type(error).__name__)
                done["failed"] += 1
            if taken is None:
                continue
            logger.warning("run.taken_back", run=taken.run_id, state=taken.state)
            metrics.count(metrics.TAKEN_BACK, taken.state)
            done["taken_back"] += 1
            events[taken.run_id] = _event(taken)
            free.append(conversation)
    finally:  # publish what was taken back even if the database failed after that
        stream.append_now(events, ttl_s=settings.stream_ttl_s)
        for conversation in free:
            send.send_next(conversation)
    return done


def _event(taken: TakenBack) -> Event:
    """Return the event that reports it; its id keeps the lost worker from appending to the stream."""
    run_id, fence = taken.run_id, taken.fence
    match taken.state:
        case State.QUEUED:
            return types.system_event(run_id, fence, Place.REQUEUED, types.REQUEUED, reason="worker_lost")
        case State.FAILED:
            return types.system_event(run_id, fence, Place.ENDED, types.FAILED, error=taken.error)
        case State.CANCELLED:
            return types.system_event(run_id, fence, Place.ENDED, types.CANCELLED)
        case State.RUNNING | State.WAITING_APPROVAL | State.SUCCEEDED | State.EXPIRED:
            raise AssertionError(f"A run is not taken back as {taken.state}.")
        case _:
            assert_never(taken.state)


def _resend_lost(settings: Settings) -> int:
    free = Run.objects.filter(transitions.may_begin(), ~transitions.older_unfinished(), state=State.QUEUED)
    unsent = free.filter(Q(sent_at=None), queued_at__lt=Now() - timedelta(seconds=PATIENCE_S))
    due = list(unsent.order_by("queued_at").values_list("pk", flat=True)[:MOST_AT_ONCE])
    try:
        suspects = [one for queue in dispatch.RUN_QUEUES for one in _find_suspects(settings, free, queue)]
    except Unavailable as error:
        logger.warning("reaper.queue_unseen", error=error.detail)
        return 0
    due += _lost_for(suspects, for_s=settings.heartbeat_s + SUSPICION_S)
    count = 0
    runs = Run.objects.only("queue").in_bulk(due)
    for run in (runs[run_id] for run_id in due if run_id in runs):  # the oldest first
        if not send.send(run):
            break  # the broker is down: the rest is due at the next pass
        count += 1
        metrics.count(metrics.SENT_AGAIN)
        logger.warning("run.sent_again", run=str(run.pk))
    return count


def _find_suspects(settings: Settings, free: QuerySet[Run], queue: str) -> list[UUID]:
    """Return the runs whose message is neither in the queue nor in a worker's hands; raises Unavailable.

    There are none while no worker can start another run: RabbitMQ counts a message that a busy worker holds as
    delivered. While Redis is down, workers are assumed to have room and to hold nothing.
    """
    sent = free.filter(queue=queue, sent_at__isnull=False)
    oldest_first = sent.filter(sent_at__lt=Now() - timedelta(seconds=PATIENCE_S)).order_by("sent_at")
    if not oldest_first.exists():
        return []
    concurrency = settings.batch_concurrency if queue == dispatch.BATCH_QUEUE else settings.concurrency
    # In this order: a message that a worker takes meanwhile counts twice, and is not mistaken for a lost one; the runs
    # are counted last, because a worker that claims one meanwhile no longer holds its message.
    begun = database.now()
    messages = dispatch.depth(queue)
    try:
        capacity = keyspace.live_workers(queue) * concurrency
        silent_s = max(SILENT_HEARTBEATS * settings.heartbeat_s, SILENT_S)
        messages += keyspace.held_unclaimed(queue, seen_within_s=silent_s)
    except redis.RedisError as error:
        logger.warning("reaper.workers_unseen", error=str(error))
        capacity = sys.maxsize
    if Run.objects.filter(queue=queue, state=State.RUNNING).count() >= capacity:
        return []
    lost = sent.filter(sent_at__lte=begun).count() - messages
    return list(oldest_first.values_list("pk", flat=True)[: min(max(lost, 0), MOST_AT_ONCE)])


def _lost_for(suspects: list[UUID], *, for_s: float) -> list[UUID]:
    """Remember the suspects, and return those that have been suspects for this long."""
    now = time.monotonic()
    since = {run_id: _suspected.get(run_id, now) for run_id in suspects}
    _suspected.clear()
    _suspected.update(since)
    return [run_id for run_id, first in since.items() if now - first >= for_s]
