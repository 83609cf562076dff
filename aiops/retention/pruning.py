"""Removes what is kept no longer, in steps so small that nobody waits for one."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef
from django.db.models.functions import Now

from aiops.batches.models import Batch
from aiops.conversations import memories
from aiops.conversations.models import Conversation, Message, Run
from aiops.events import stream
from aiops.retention.rules import BATCHES, CONVERSATIONS, DELIVERIES, FIRINGS, RUNS, Rule
from aiops.schedules.models import Firing
from aiops.webhooks.models import Delivery

STEP_S = 0.1
"""A step is made smaller when it takes longer, and larger when it takes a third of that."""
FIRST, LEAST, MOST = 100, 10, 1_000
PAUSE_S = 0.02


def prune(rule: Rule, *, for_s: float) -> int:
    """Remove what a rule names, for so long at most; return how many. The rest goes the next time."""
    until, size, count = time.monotonic() + for_s, FIRST, 0
    while time.monotonic() < until:
        begun = time.monotonic()
        removed = step(rule, size=size)
        took_s = time.monotonic() - begun
        count += removed
        if removed < size:
            break
        if took_s > STEP_S:
            size = max(size // 2, LEAST)
        elif took_s < STEP_S / 3:
            size = min(size * 2, MOST)
        time.sleep(PAUSE_S)
    return count


def step(rule: Rule, *, size: int) -> int:
    """Remove the oldest ``size`` at most; return how many."""
    ids = list(rule.due().values_list("pk", flat=True)[:size])
    if ids:
        REMOVE[rule.kind](ids)
    return len(ids)


def _runs(ids: Sequence[Any]) -> None:
    """Remove runs with their question and answer, and conversations of which nothing is left."""
    rows = list(Run.objects.filter(pk__in=ids).values_list("conversation_id", "message_id", "answer_id"))
    touched = {conversation for conversation, _, _ in rows}
    with transaction.atomic():
        Run.objects.filter(pk__in=ids).delete()
        Message.objects.filter(pk__in=[pk for _, *pair in rows for pk in pair]).delete()
        said = Message.objects.filter(conversation=OuterRef("pk"))
        empty = Conversation.objects.filter(~Exists(said), pk__in=touched)
        gone = [str(pk) for pk in empty.values_list("pk", flat=True)]
        empty.delete()
    stream.forget(map(str, ids))
    memories.forget(gone)


def _conversations(ids: Sequence[Any]) -> None:
    runs = [str(pk) for pk in Run.objects.filter(conversation__in=ids).values_list("pk", flat=True)]
    Conversation.objects.filter(pk__in=ids).delete()
    stream.forget(runs)
    memories.forget([str(pk) for pk in ids])


def _batches(ids: Sequence[Any]) -> None:
    """Hide batches, as their owner's delete does; the job ``batches`` removes their rows in steps of its own."""
    Batch.objects.filter(pk__in=ids).update(deleted_at=Now())


def _firings(ids: Sequence[Any]) -> None:
    Firing.objects.filter(pk__in=ids).delete()


def _deliveries(ids: Sequence[Any]) -> None:
    Delivery.objects.filter(pk__in=ids).delete()


REMOVE = {
    RUNS: _runs,
    CONVERSATIONS: _conversations,
    BATCHES: _batches,
    FIRINGS: _firings,
    DELIVERIES: _deliveries,
}
