"""Versions of a turn: an edited question or another answer takes the place of a turn and of all that followed it.

What is replaced stays readable. A transcript ``as_of`` a position is the one that its reader saw when that position was
the last: with the turns that were replaced later, and without those that came later.
"""

from __future__ import annotations

from django.db.models import Q, QuerySet

from aiops import dispatch
from aiops.errors import Conflict
from aiops.runs import states, transitions
from aiops.runs.models import Run


def replace(run: Run, *, at: int) -> dict[str, str]:
    """Hide a turn and all that follow it, and stop them; return the state that each unfinished one had.

    ``at`` is the position of the message that takes their place. Must run inside a transaction that holds the
    conversation's lock. Raises Conflict for an item of a batch, and for a turn that was replaced before.
    """
    if run.queue == dispatch.BATCH_QUEUE:
        raise Conflict("This is an item of a batch: run the batch's failed items again.", code="not_editable")
    run.refresh_from_db(fields=["rolled_back", "version_of"])
    if run.rolled_back:
        raise Conflict("Another version has taken the place of this one: edit that one.", code="not_editable")
    turns = Run.objects.filter(
        conversation=run.conversation_id, position__gte=run.position, position__lt=at, rolled_back=False
    )
    hidden = list(turns.values_list("pk", flat=True))
    stopped = transitions.request_cancel(list(turns.filter(state__in=states.UNFINISHED).values_list("pk", flat=True)))
    transitions.roll_back(hidden)
    Run.objects.filter(pk__in=hidden).update(replaced_at=at)
    Run.objects.filter(pk=run.pk, version_of=None).update(version_of=run.pk)
    return stopped


def of(run: Run) -> QuerySet[Run]:
    """Return all versions of a turn, itself included."""
    return readable().filter(version_of=run.version_of) if run.version_of else Run.objects.filter(pk=run.pk)


def readable() -> QuerySet[Run]:
    """Return the runs that a transcript shows, or showed until others took their place."""
    return Run.objects.filter(Q(rolled_back=False) | Q(replaced_at__isnull=False))


def as_of(position: int | None) -> Q:
    """Return the condition of the turns that a transcript shows now (None), or showed at this position."""
    if position is None:
        return Q(rolled_back=False)
    return Q(position__lte=position) & (Q(rolled_back=False) | Q(replaced_at__gt=position))
