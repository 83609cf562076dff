"""Removes what the rules of retention name, in steps so short that no other transaction waits long for one."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import DataError, IntegrityError, transaction
from django.db.models import ProtectedError, QuerySet, RestrictedError

from aiops import log
from aiops.conversations import memories
from aiops.locks import lock
from aiops.retention.rules import Rule, rules
from aiops.settings import Settings

FOR_S = 20.0
"""Time for all rules together; the next run of the job continues."""
STEP_S = 0.1
"""A slower step halves the size of the next one; a step in less than a third of it doubles the size."""
FIRST, LEAST, MOST = 100, 10, 1_000
PAUSE_S = 0.02
ONE_ROW = (IntegrityError, DataError, ProtectedError, RestrictedError, TypeError, ValueError)
"""Errors that a single row can cause; an unreachable database is none of them."""

logger = log.get(__name__)


@dataclass(slots=True)
class Pruned:
    """How many rows were removed, and the keys of those that could not be."""

    removed: int = 0
    failed: set[Any] = field(default_factory=set)


def remove_old(settings: Settings) -> dict[str, int]:
    """Apply all rules and remove orphaned memories; return counts by rule."""
    chosen = rules(settings)
    pruned = {rule.name: prune(rule, for_s=FOR_S / len(chosen)) for rule in chosen}
    return {
        **{name: one.removed for name, one in pruned.items()},
        "failed": sum(len(one.failed) for one in pruned.values()),
        "orphaned_memories": memories.forget_orphans(),
    }


def prune(rule: Rule, *, for_s: float) -> Pruned:
    """Apply one rule for ``for_s`` seconds at most; rows that cannot be removed do not stop the others."""
    until, size, pruned = time.monotonic() + for_s, FIRST, Pruned()
    while time.monotonic() < until:
        begun, before = time.monotonic(), pruned.removed + len(pruned.failed)
        found = step(rule, pruned, size=size)
        took_s = time.monotonic() - begun
        if found < size or pruned.removed + len(pruned.failed) == before:  # a kind may keep what is due
            break
        if took_s > STEP_S:
            size = max(size // 2, LEAST)
        elif took_s < STEP_S / 3:
            size = min(size * 2, MOST)
        time.sleep(PAUSE_S)
    return pruned


def step(rule: Rule, pruned: Pruned, *, size: int) -> int:
    """Remove the oldest rows, at most ``size``; return how many were found."""
    # read before the transaction, which then locks only rows that it removes
    ids = list(rule.due().exclude(pk__in=pruned.failed).values_list("pk", flat=True)[:size])
    if ids:
        try:
            pruned.removed += _remove(rule, ids)
        except ONE_ROW:
            _remove_each(rule, ids, pruned)
    return len(ids)


def _remove(rule: Rule, ids: Sequence[Any]) -> int:
    return rule.remove(rule.due().filter(pk__in=ids))


def _remove_each(rule: Rule, ids: Sequence[Any], pruned: Pruned) -> None:
    """Remove rows one by one after removing them together failed; log those that cannot be removed."""
    for one in ids:
        try:
            pruned.removed += _remove(rule, [one])
        except ONE_ROW:
            logger.exception("retention.not_removed", rule=rule.name, id=str(one))
            pruned.failed.add(one)


def remove_rows(due: QuerySet[Any]) -> int:
    """Delete these rows in one transaction; return how many rows were deleted."""
    with transaction.atomic():
        return int(due.model.objects.filter(pk__in=lock(due, to_delete=True)).delete()[0])
