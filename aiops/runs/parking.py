"""The two changes of state of a run that waits for people: it parks, and is queued again."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db.models.functions import Coalesce

from aiops import database
from aiops.runs.models import Run
from aiops.runs.states import State
from aiops.runs.transitions import Claim, Ending, held


def park(claim: Claim, so_far: Ending) -> bool:
    """Let a run wait for a decision, with what it has so far; False, with nothing written, when it must stop instead.

    Must run in the transaction that writes its approval.
    """
    mine = held(claim).filter(cancel_requested_at=None)
    first: dict[str, Any] = {}
    if so_far.first_delta_ago_s is not None:
        first["first_delta_at"] = Coalesce("first_delta_at", database.in_seconds(-so_far.first_delta_ago_s))
    changed = mine.update(
        state=State.WAITING_APPROVAL,
        lease_until=None,
        worker="",
        sent_at=None,
        answer=so_far.answer,
        steps=so_far.steps or [],
        notices=so_far.notices,
        usage=so_far.usage,
        **first,
    )
    return bool(changed)


def resume(run_id: UUID | str) -> bool:
    """Queue a run again whose last open call was decided; False when it does not wait."""
    return bool(Run.objects.filter(pk=run_id, state=State.WAITING_APPROVAL).update(state=State.QUEUED, sent_at=None))
