"""Divides room for runs among batches: whoever has least running gets the next, users first, then their batches."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Wish:
    """One batch that could run more: how many run now, and how many more it may and wants to."""

    batch: UUID
    user: UUID
    running: int
    room: int


def shares(wishes: Sequence[Wish], *, capacity: int) -> Counter[UUID]:
    """Return how many more runs each batch gets, at most ``capacity`` together."""
    given: Counter[UUID] = Counter()
    of_user: Counter[UUID] = Counter()
    for wish in wishes:
        of_user[wish.user] += wish.running
    for _ in range(capacity):
        open_ = [wish for wish in wishes if given[wish.batch] < wish.room]
        if not open_:
            break
        next_ = min(open_, key=lambda wish: (of_user[wish.user], wish.running + given[wish.batch]))
        given[next_.batch] += 1
        of_user[next_.user] += 1
    return given
