"""Divides free capacity fairly: the next run goes to the user with the fewest running, then to that user's batch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Demand:
    """A batch with due items: how many run now, and how many more may start (``room``)."""

    batch: UUID
    user: UUID
    running: int
    room: int


def shares(demands: Sequence[Demand], *, capacity: int) -> Counter[UUID]:
    """Return how many more runs each batch gets, at most ``capacity`` together."""
    given: Counter[UUID] = Counter()
    of_user: Counter[UUID] = Counter()
    for demand in demands:  # what runs already counts, or a user with many batches would get more
        of_user[demand.user] += demand.running
    for _ in range(capacity):
        open_ = [demand for demand in demands if given[demand.batch] < demand.room]
        if not open_:
            break
        next_ = min(open_, key=lambda demand: (of_user[demand.user], demand.running + given[demand.batch]))
        given[next_.batch] += 1
        of_user[next_.user] += 1
    return given
