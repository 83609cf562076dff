"""Takes back runs whose lease has expired: they are requeued, or end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models import Case, F, Q, QuerySet, Value, When
from django.db.models.functions import Now

from aiops.approvals import closing
from aiops.database import in_seconds
from aiops.locks import lock
from aiops.runs.models import Run
from aiops.runs.states import State
from aiops.runs.transitions import lock_conversation, mark_unknown, write_answer

FAR_S = 60.0
"""Leases of workers with other settings may be this much longer than ours (seconds)."""

NEXT_STATES = (State.QUEUED, State.CANCELLED, State.FAILED)
"""States of a run that was taken back."""


@dataclass(frozen=True, slots=True)
class TakenBack:
    """What became of a run whose lease had expired."""

    run_id: str
    fence: int
    state: State
    error: dict[str, Any] | None = None


def ends(*, max_attempts: int) -> Q:
    """Return the condition under which a run that is taken back ends: it was cancelled, or crashed too often."""
    return Q(cancel_requested_at__isnull=False) | Q(attempts__gte=max_attempts)


def shorten_leases(*, lease_s: float) -> int:
    """Shorten leases that last far longer than ``lease_s``: the clock was set back after they were granted."""
    far = Run.objects.filter(state=State.RUNNING, lease_until__gt=in_seconds(lease_s + FAR_S))
    with transaction.atomic():
        return Run.objects.filter(pk__in=lock(far)).update(lease_until=in_seconds(lease_s))


def take_back(run_id: str, *, fence: int, max_attempts: int, partial: str | None = "") -> TakenBack | None:
    """Take back a run whose lease has expired: requeue it, or end it when it was cancelled or crashed too often.

    A run that ends gets ``partial`` as its answer. With None (not looked up) a run that would end is left alone.
    """
    expired = _expired(run_id, fence=fence)
    poison = {
        "code": "poisoned",
        "detail": f"The worker died {max_attempts + 1} times while answering this message; it will not be tried again.",
        "retry": False,
    }
    last = Q(attempts__gte=max_attempts)
    cancelled = Q(cancel_requested_at__isnull=False)
    if partial is None:
        expired = expired.exclude(ends(max_attempts=max_attempts))
    with transaction.atomic():
        lock_conversation(run_id)
        changed = expired.update(
            state=Case(
                When(cancelled, then=Value(State.CANCELLED)),
                When(last, then=Value(State.FAILED)),
                default=Value(State.QUEUED),
            ),
            finished_at=Case(When(cancelled | last, then=Now()), default=None),
            sent_at=None,
            attempts=F("attempts") + 1,
            lease_until=None,
            worker="",
        )
        if not changed:
            return None
        # The UPDATE chose the state: between a read before it and its lock, the owner may have cancelled the run.
        now, steps = Run.objects.values_list("state", "steps").get(pk=run_id)
        state = State(now)
        if state == State.FAILED:
            Run.objects.filter(pk=run_id).update(error=poison)
        if state.facts.ended:
            Run.objects.filter(pk=run_id).update(steps=mark_unknown(steps), answer=partial)
            write_answer(run_id, remembered=False)
            closing.close([run_id])
    return TakenBack(run_id, fence, state, poison if state == State.FAILED else None)


def abandon(run_id: str, *, fence: int, reason: str) -> TakenBack | None:
    """Fail a run without its partial answer and steps, because taking it back raised an error."""
    error = {"code": "internal_error", "detail": f"This run could not be taken back ({reason}).", "retry": True}
    with transaction.atomic():
        lock_conversation(run_id)
        changed = _expired(run_id, fence=fence).update(
            state=State.FAILED, finished_at=Now(), steps=[], error=error, lease_until=None, worker=""
        )
        if not changed:
            return None
        closing.close([run_id])
    return TakenBack(run_id, fence, State.FAILED, error)


def _expired(run_id: str, *, fence: int) -> QuerySet[Run]:
    return Run.objects.filter(pk=run_id, fence=fence, state=State.RUNNING, lease_until__lt=Now())
