"""Advances batches: settles items whose run has ended, starts the next ones in fair shares, and ends batches.

All state is in rows, so concurrent and repeated calls are safe.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Count, F, Q, QuerySet
from django.db.models.functions import Coalesce, Now

from aiops import database, dispatch, log, metrics
from aiops.batches import capacity, lifecycle, removal
from aiops.batches.isolation import Isolation
from aiops.batches.models import Batch, Item
from aiops.batches.sharing import Demand, shares
from aiops.conversations import deletion, memories
from aiops.conversations.models import Conversation
from aiops.events import stream, types
from aiops.llm.prices import total
from aiops.runs import accept, send, states, transitions
from aiops.runs.accept import NewItem
from aiops.runs.models import Run
from aiops.runs.options import RunOptions
from aiops.runs.states import Place
from aiops.settings import Settings

MAX_ROWS = 200
RETRY_LIMITS = {"model_rate_limited": (8, 10.0), "model_busy": (8, 10.0), "model_unreachable": (6, 5.0)}
"""Error code → (attempts in total, seconds before the second one), doubled before each further attempt."""
OTHER_RETRY_LIMITS = (3, 2.0)
MAX_PAUSE_S = 300.0
State = Batch.State
ENDS = {state: Item.State(state.value) for state in states.ENDED}
"""An item ends as its run did, under the same name."""

logger = log.get(__name__)


def tick(settings: Settings) -> dict[str, int]:
    """Advance all batches; return counts."""
    changed: set[UUID] = set()
    isolation = Isolation(settings)
    settled, to_forget = _settle(changed, isolation)
    _expire(settings, changed, isolation)
    # expiring first: an expired batch must not start further items
    started = _start(settings, changed, isolation)
    ended = _end(changed)
    removed = removal.remove_deleted(isolation)
    memories.forget(to_forget)
    stream.publish_changed(map(str, changed))
    return {"settled": settled, "started": started, "ended": ended, "removed": removed, "broken": isolation.broken}


def advance(settings: Settings) -> dict[str, int]:
    """Advance batches when no worker does so at the end of a run: after restarts, expiry and pauses before retries."""
    return {**tick(settings), "validations_asked": redispatch_validations()}


def redispatch_validations() -> int:
    """Dispatch the validations again that no worker holds a lease for; return how many."""
    old = Now() - timedelta(seconds=5)  # younger ones are probably still on the queue
    lost = Batch.objects.filter(state=State.VALIDATING, created_at__lt=old, deleted_at=None)
    ids = lost.filter(Q(lease_until=None) | Q(lease_until__lt=Now())).values_list("pk", flat=True)
    return sum(dispatch.validate(str(pk)) for pk in ids[:MAX_ROWS])


def _settle(changed: set[UUID], isolation: Isolation) -> tuple[int, list[str]]:
    """Settle items whose run has ended; return (how many, the conversations whose memory is no longer needed)."""
    ended = Q(run=None) | Q(run__state__in=states.ENDED)
    due = Item.objects.filter(ended, state=Item.State.RUNNING, batch__state__in=Batch.UNFINISHED)
    ids = list(due.values_list("batch_id", flat=True).distinct()[:MAX_ROWS])
    count, to_forget = 0, []
    for batch_id in ids:
        with isolation.of(batch_id):
            items = _settle_batch(batch_id, due)
            to_forget += [str(item.run.conversation_id) for item in items if item.run is not None]
            changed.add(batch_id)
            count += len(items)
    return count, to_forget


def _settle_batch(batch_id: UUID, due: QuerySet[Item]) -> list[Item]:
    sums: Counter[str] = Counter()
    with transaction.atomic():
        if not lifecycle.locked(batch_id):
            return []
        items = list(due.filter(batch=batch_id).select_related("run", "batch")[:MAX_ROWS])
        for item in items:
            _settle_one(item, sums)
        Item.objects.bulk_update(items, ["state", "error", "not_before"])
        # an item's final state and the batch's counter have the same name
        Batch.objects.filter(pk=batch_id).update(**{name: F(name) + n for name, n in sums.items()})
        _add_cost(batch_id, items)
    for state in ENDS.values():
        metrics.count(metrics.ITEMS_SETTLED, state, by=sums[state])
    return items


def _add_cost(batch_id: UUID, items: Sequence[Item]) -> None:
    """Add what these items' attempts cost, as far as their models' prices are known."""
    cost = total((item.run.usage or {}).get("cost") for item in items if item.run is not None)
    if cost is not None:
        Batch.objects.filter(pk=batch_id).update(cost=Coalesce(F("cost"), Decimal(0)) + Decimal(cost))


def _settle_one(item: Item, sums: Counter[str]) -> None:
    run = item.run
    if run is None:
        item.state = Item.State.FAILED
        item.error = {"code": "deleted", "detail": "Its conversation was deleted.", "retry": False}
    else:
        item.state, item.error = ENDS[states.State(run.state)], run.error
        for name in ("input_tokens", "output_tokens"):
            sums[name] += (run.usage or {}).get(name, 0)
    error = item.error or {}
    may_retry = item.state == Item.State.FAILED and item.batch.state == State.IN_PROGRESS and error.get("retry")
    attempts, pause_s = RETRY_LIMITS.get(error.get("code", ""), OTHER_RETRY_LIMITS)
    if may_retry and item.tries < attempts:
        item.state = Item.State.PENDING
        pause_s = min(pause_s * 2 ** (item.tries - 1), MAX_PAUSE_S)
        item.not_before = database.in_seconds(pause_s * random.uniform(0.8, 1.2))  # noqa: S311  (spreads load)
    else:
        sums[item.state] += 1


def _expire(settings: Settings, changed: set[UUID], isolation: Isolation) -> None:
    """Expire the items that were not started within their batch's completion window; running ones may finish."""
    late = Batch.objects.filter(state=State.IN_PROGRESS, expires_at__lt=Now())
    for batch_id in list(late.values_list("pk", flat=True)):
        with isolation.of(batch_id):
            runs = _expire_batch(batch_id)  # in its own transaction, because events cannot be rolled back
            ends = {pk: types.system_event(pk, 0, Place.ENDED, types.EXPIRED) for pk in runs}
            stream.append_now(ends, ttl_s=settings.stream_ttl_s)
            changed.add(batch_id)


def _expire_batch(batch_id: UUID) -> list[str]:
    with transaction.atomic():
        if not lifecycle.locked(batch_id):
            return []
        running = Item.objects.filter(batch=batch_id, state=Item.State.RUNNING).values("run")
        runs = transitions.expire(list(Run.objects.filter(pk__in=running).values_list("pk", flat=True)))
        expired = Item.objects.filter(batch=batch_id, state=Item.State.PENDING).update(state=Item.State.EXPIRED)
        Batch.objects.filter(pk=batch_id).update(expired=F("expired") + expired)
        return runs


def _start(settings: Settings, changed: set[UUID], isolation: Isolation) -> int:
    """Start items in fair shares of the free capacity; the batches of a deactivated owner wait."""
    running = Item.objects.filter(state=Item.State.RUNNING).values_list("batch").annotate(n=Count("pk"))
    of_batch = dict(running.values_list("batch", "n"))
    waiting = capacity.waiting_for_people()  # they take no worker's time
    room_for = capacity.of_workers(settings) - sum(of_batch.values()) + sum(waiting.values())
    if room_for <= 0:
        return 0
    pausing = Item.objects.filter(state=Item.State.PENDING, not_before__gt=Now()).values_list("batch")
    not_due = dict(pausing.annotate(n=Count("pk")).values_list("batch", "n"))
    demands = []
    for batch in Batch.objects.filter(state=State.IN_PROGRESS, deleted_at=None, user__is_active=True):
        # from the batch's counters, because counting its pending rows would take longer the larger it is
        now = of_batch.get(batch.pk, 0)
        due = batch.total - batch.settled - now - not_due.get(batch.pk, 0)
        busy = now - waiting.get(batch.pk, 0)
        room = min(batch.max_concurrency - busy, due, room_for)
        if room > 0:
            demands.append(Demand(batch.pk, batch.user_id, busy, room))
    count = 0
    for batch_id, share in shares(demands, capacity=min(room_for, MAX_ROWS)).items():
        with isolation.of(batch_id):
            started = _start_some(settings, batch_id, share)
            count += len(started)
            if started:
                changed.add(batch_id)
            send.send_all(started)  # after the commit, or a worker could receive a run that has no row yet
    return count


def _start_some(settings: Settings, batch_id: Any, share: int) -> list[Run]:
    """Create runs for a batch's next items in one transaction; none when another process holds the batch's lock."""
    with transaction.atomic():
        batch = lifecycle.locked(batch_id)
        if batch is None or batch.state != State.IN_PROGRESS:
            return []
        running = Item.objects.filter(batch=batch, state=Item.State.RUNNING)
        busy = running.exclude(run__state=states.State.WAITING_APPROVAL).count()
        share = min(share, batch.max_concurrency - busy)  # another tick may have started some meanwhile
        due = Item.objects.filter(Q(not_before=None) | Q(not_before__lt=Now()), batch=batch, state=Item.State.PENDING)
        items = list(due.select_related("run").order_by("number")[: max(share, 0)])
        # conversations of earlier attempts, unless their owner followed up, which made them chats
        earlier = [item.run.conversation_id for item in items if item.run]
        deletion.delete(Conversation.objects.filter(pk__in=earlier, kind=Conversation.Kind.BATCH))
        runs = accept.accept_items([_new_item(settings, batch, item) for item in items], user_id=batch.user_id)
        for item, run in zip(items, runs, strict=True):
            item.run, item.state, item.tries = run, Item.State.RUNNING, item.tries + 1
        Item.objects.bulk_update(items, ["run", "state", "tries"])
    return runs


def _new_item(settings: Settings, batch: Batch, item: Item) -> NewItem:
    schema = item.options.get("response_schema") or batch.response_schema
    options = {**item.options, "answer_schema": schema is not None, "read_only": not batch.allow_changes}
    return NewItem(
        title=f"{batch.name or 'Batch'} · {item.custom_id}"[:200],
        messages=[(one["role"], one["text"]) for one in item.messages],
        steps=transitions.carried_over(item.run) if item.run is not None else [],
        options=RunOptions.of(options, default_deadline_s=settings.run_deadline_s),
    )


def _end(changed: set[UUID]) -> int:
    """End batches whose items are all settled; return how many."""
    settled = F("invalid") + F("succeeded") + F("failed") + F("cancelled") + F("expired")
    count = 0
    for batch in Batch.objects.filter(state__in=[State.IN_PROGRESS, State.CANCELLING], total=settled):
        uncancelled = State.EXPIRED if batch.expired else State.COMPLETED
        state = State.CANCELLED if batch.state == State.CANCELLING else uncancelled
        # conditional on the state that was read: its owner may cancel it, or another tick may end it
        unended = Batch.objects.filter(pk=batch.pk, state=batch.state)
        if unended.update(state=state, finalizing_at=Now(), ended_at=Now()):
            logger.info("batch.ended", batch=str(batch.pk), state=state, total=batch.total)
            changed.add(batch.pk)
            count += 1
    return count
