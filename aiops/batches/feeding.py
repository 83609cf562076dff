"""Moves batches on: settles items whose run has ended, starts the next ones in fair shares, and ends what is done.

Everything is read from rows and does all that is due, so it may be called at any time, by anybody, twice.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable
from datetime import timedelta
from typing import Any
from uuid import UUID

import redis
from django.db import transaction
from django.db.models import Count, F, Q, QuerySet
from django.db.models.functions import Now

from aiops import dispatch, keyspace, log, metrics
from aiops.batches.models import Batch, Item
from aiops.batches.sharing import Wish, shares
from aiops.conversations import bulk, memories, queueing, transitions
from aiops.conversations.bulk import Prompt
from aiops.conversations.models import Conversation, Run
from aiops.events import stream, types
from aiops.settings import Settings

MOST_AT_ONCE = 200
TRIES = {"model_rate_limited": (8, 10.0), "model_busy": (8, 10.0), "model_unreachable": (6, 5.0)}
"""How often an item is run that failed so, and seconds before its second try, doubled for each further one."""
OTHER_TRIES = (3, 2.0)
MAX_PAUSE_S = 300.0
WAITING = 2
"""So many times more items than workers can answer have a run: some wait in the queue, so that no worker is idle."""
REMOVED_AT_ONCE = 200
State = Batch.State
ENDS = {
    Run.State.SUCCEEDED: Item.State.SUCCEEDED,
    Run.State.FAILED: Item.State.FAILED,
    Run.State.CANCELLED: Item.State.CANCELLED,
    Run.State.EXPIRED: Item.State.EXPIRED,
}

logger = log.get(__name__)


def tick(settings: Settings) -> dict[str, int]:
    """Do all that is due; return counts."""
    changed: set[UUID] = set()
    settled, to_forget = _settle(changed)
    _expire(settings, changed)
    started = _start(settings, changed)
    ended = _end(changed)
    removed = _remove_deleted()
    memories.forget(to_forget)
    stream.tell_changed(map(str, changed))
    return {"settled": settled, "started": started, "ended": ended, "removed": removed}


def validate_again() -> int:
    """Ask again for validations that nobody works on; return how many."""
    old = Now() - timedelta(seconds=5)
    lost = Batch.objects.filter(state=State.VALIDATING, created_at__lt=old, deleted_at=None)
    ids = lost.filter(Q(lease_until=None) | Q(lease_until__lt=Now())).values_list("pk", flat=True)
    return sum(dispatch.validate(str(pk)) for pk in ids[:MOST_AT_ONCE])


def _settle(changed: set[UUID]) -> tuple[int, list[str]]:
    """Take over how runs ended; return (how many, the conversations whose memory is of no more use)."""
    ended = Q(run=None) | Q(run__state__in=Run.ENDED)
    due = Item.objects.filter(ended, state=Item.State.RUNNING, batch__state__in=Batch.UNFINISHED)
    ids = list(due.values_list("batch_id", flat=True).distinct()[:MOST_AT_ONCE])
    count, to_forget = 0, []
    for batch_id in ids:
        with transaction.atomic():
            if not _locked(batch_id):
                continue
            items = list(due.filter(batch=batch_id).select_related("run", "batch")[:MOST_AT_ONCE])
            sums: Counter[str] = Counter()
            for item in items:
                _settle_one(item, sums)
            Item.objects.bulk_update(items, ["state", "error", "not_before"])
            Batch.objects.filter(pk=batch_id).update(**{name: F(name) + n for name, n in sums.items()})
        for state in ENDS.values():
            metrics.count(metrics.ITEMS_SETTLED, state, by=sums[state])
        to_forget += [str(item.run.conversation_id) for item in items if item.run is not None]
        changed.add(batch_id)
        count += len(items)
    return count, to_forget


def _settle_one(item: Item, sums: Counter[str]) -> None:
    run = item.run
    usage = (run.usage or {}) if run is not None else {}
    for name in ("input_tokens", "output_tokens"):
        sums[name] += usage.get(name, 0)
    if run is None:
        item.state = Item.State.FAILED
        item.error = {"code": "deleted", "detail": "Its conversation was deleted.", "retry": False}
    else:
        item.state, item.error = ENDS[Run.State(run.state)], run.error
    if item.state == Item.State.FAILED and _may_pass(item):
        item.state = Item.State.PENDING
        pause_s = min(_tries(item)[1] * 2 ** (item.tries - 1), MAX_PAUSE_S)
        item.not_before = transitions.in_seconds(pause_s * random.uniform(0.8, 1.2))  # noqa: S311  (spreads load)
        return
    sums[item.state] += 1


def _may_pass(item: Item) -> bool:
    goes_on = item.batch.state == State.IN_PROGRESS
    return goes_on and item.tries < _tries(item)[0] and bool((item.error or {}).get("retry"))


def _tries(item: Item) -> tuple[int, float]:
    return TRIES.get((item.error or {}).get("code", ""), OTHER_TRIES)


def _expire(settings: Settings, changed: set[UUID]) -> None:
    """End what was not begun when a batch's completion window closed; what runs may end."""
    late = Batch.objects.filter(state=State.IN_PROGRESS, expires_at__lt=Now())
    for batch_id in late.values_list("pk", flat=True):
        with transaction.atomic():
            if not _locked(batch_id):
                continue
            expired = Item.objects.filter(batch=batch_id, state=Item.State.PENDING).update(state=Item.State.EXPIRED)
            Batch.objects.filter(pk=batch_id).update(expired=F("expired") + expired)
            running = Item.objects.filter(batch=batch_id, state=Item.State.RUNNING).values("run")
            runs = transitions.expire(list(Run.objects.filter(pk__in=running).values_list("pk", flat=True)))
        told = {pk: types.house(pk, 0, 2, types.EXPIRED) for pk in runs}
        stream.append_now(told, ttl_s=settings.stream_ttl_s)
        changed.add(batch_id)


def _start(settings: Settings, changed: set[UUID]) -> int:
    """Give the free room to batches, in fair shares."""
    running = Item.objects.filter(state=Item.State.RUNNING).values_list("batch").annotate(n=Count("pk"))
    of_batch = dict(running.values_list("batch", "n"))
    capacity = _capacity(settings) - sum(of_batch.values())
    if capacity <= 0:
        return 0
    wishes = []
    for batch in Batch.objects.filter(state=State.IN_PROGRESS, deleted_at=None):
        now = of_batch.get(batch.pk, 0)
        room = min(batch.max_concurrency - now, batch.total - batch.settled - now, capacity)
        if room > 0:
            wishes.append(Wish(batch.pk, batch.user_id, now, room))
    count = 0
    for batch_id, share in shares(wishes, capacity=min(capacity, MOST_AT_ONCE)).items():
        started = _start_some(settings, batch_id, share)
        count += len(started)
        if started:
            changed.add(batch_id)
        queueing.send_all(started)
    return count


def _start_some(settings: Settings, batch_id: Any, share: int) -> list[Run]:
    """Make runs of a batch's next items, in one transaction; none when somebody else does so now."""
    with transaction.atomic():
        batch = _locked(batch_id)
        if batch is None or batch.state != State.IN_PROGRESS:
            return []
        running = Item.objects.filter(batch=batch, state=Item.State.RUNNING).count()
        share = min(share, batch.max_concurrency - running)
        due = Item.objects.filter(Q(not_before=None) | Q(not_before__lt=Now()), batch=batch, state=Item.State.PENDING)
        items = list(due.select_related("run").order_by("number")[: max(share, 0)])
        before = [item.run.conversation_id for item in items if item.run]
        Conversation.objects.filter(pk__in=before, kind=Conversation.Kind.BATCH).delete()
        prompts = [_prompt(settings, batch, item) for item in items]
        runs = bulk.write(prompts, user_id=batch.user_id)
        for item, run in zip(items, runs, strict=True):
            item.run, item.state, item.tries = run, Item.State.RUNNING, item.tries + 1
        Item.objects.bulk_update(items, ["run", "state", "tries"])
    return runs


def _prompt(settings: Settings, batch: Batch, item: Item) -> Prompt:
    options = dict(item.options)
    if batch.response_schema is not None:
        options["answer_schema"] = True
    return Prompt(
        title=f"{batch.name or 'Batch'} · {item.custom_id}"[:200],
        messages=[(one["role"], one["text"]) for one in item.messages],
        deadline_s=options.pop("deadline_s", settings.run_deadline_s),
        options=options,
    )


def _end(changed: Iterable[UUID]) -> int:
    """End batches of which nothing is left to do; return how many."""
    unended = Batch.objects.filter(state__in=[State.IN_PROGRESS, State.CANCELLING, State.FINALIZING])
    done = unended.filter(
        total=F("invalid") + F("succeeded") + F("failed") + F("cancelled") + F("expired"),
    )
    count = 0
    for batch in done:
        was_cancelled = batch.state == State.CANCELLING
        state = State.CANCELLED if was_cancelled else State.EXPIRED if batch.expired else State.COMPLETED
        of_state = Batch.objects.filter(pk=batch.pk, state=batch.state)
        ended = of_state.update(state=state, finalizing_at=Now(), ended_at=Now())
        if ended:
            logger.info("batch.ended", batch=str(batch.pk), state=state, total=batch.total)
            stream.tell_changed([str(batch.pk)])
        count += ended
    return count


def _remove_deleted() -> int:
    """Remove the rows of deleted batches, some at a time; return how many items went."""
    batch = Batch.objects.filter(deleted_at__isnull=False).order_by("deleted_at").first()
    if batch is None:
        return 0
    items = list(Item.objects.filter(batch=batch).values_list("pk", "run__conversation_id")[:REMOVED_AT_ONCE])
    conversations = [conversation for _, conversation in items if conversation]
    own = Conversation.objects.filter(pk__in=conversations, kind=Conversation.Kind.BATCH)
    runs = [str(pk) for pk in Run.objects.filter(conversation__in=own).values_list("pk", flat=True)]
    memories.forget([str(pk) for pk in own.values_list("pk", flat=True)])
    stream.forget(runs)
    with transaction.atomic():
        Item.objects.filter(pk__in=[pk for pk, _ in items]).delete()
        own.delete()
        if not items:
            batch.delete()
    return len(items)


def _capacity(settings: Settings) -> int:
    """Return how many items may have a run: what the workers that live can answer, and some that wait."""
    try:
        workers = keyspace.live_workers(dispatch.BATCH_QUEUE)
    except redis.RedisError as error:
        logger.warning("batches.workers_unseen", error=str(error))
        workers = 1
    return max(workers, 1) * settings.batch_concurrency * WAITING


def _locked(batch_id: Any) -> Batch | None:
    """Lock a batch; None when somebody else has it now. (SQLite has one writer, who holds the lock of all.)"""
    rows: QuerySet[Batch] = Batch.objects.select_for_update(no_key=True, skip_locked=True)
    return rows.filter(pk=batch_id).first()
