"""Records how the runs and batches of schedules ended, and pauses schedules that fail repeatedly."""

from __future__ import annotations

from typing import assert_never

from django.db import InterfaceError, OperationalError, connection, transaction
from django.db.models import Q

from aiops import log
from aiops.approvals.values import ApprovalState
from aiops.batches.models import Batch, Item
from aiops.runs import states
from aiops.runs.models import Run
from aiops.runs.states import State
from aiops.schedules import lifecycle
from aiops.schedules.models import Firing, Schedule

MAX_ROWS = 500
OF_BATCH = {
    Batch.State.COMPLETED: Firing.Outcome.SUCCEEDED,
    Batch.State.FAILED: Firing.Outcome.FAILED,
    Batch.State.EXPIRED: Firing.Outcome.FAILED,
    Batch.State.CANCELLED: Firing.Outcome.CANCELLED,
}

logger = log.get(__name__)


def settle() -> int:
    """Settle the firings whose run or batch has ended; return how many."""
    deleted = Q(run=None, batch=None)  # by its owner or by retention
    ended = deleted | Q(run__state__in=states.ENDED) | Q(batch__state__in=Batch.ENDED)
    due = Firing.objects.filter(ended, outcome=Firing.Outcome.STARTED).order_by("pk")
    rows = list(due.select_related("run", "batch")[:MAX_ROWS])
    return sum(map(_settle_or_mark, rows))


def _settle_or_mark(firing: Firing) -> int:
    """Settle one firing; one that cannot be settled is marked as failed, or every tick would fail on it."""
    try:
        return _settle_one(firing)
    except (OperationalError, InterfaceError):
        if not connection.is_usable():
            raise
        return 0
    except Exception as error:
        logger.exception("firing.broke", firing=firing.pk)
        reason = f"Its outcome could not be read ({type(error).__name__})."
        mine = Firing.objects.filter(pk=firing.pk, outcome=Firing.Outcome.STARTED)
        return mine.update(outcome=Firing.Outcome.FAILED, reason=reason)


def _settle_one(firing: Firing) -> int:
    outcome, reason = _outcome(firing)
    mine = Firing.objects.filter(pk=firing.pk, outcome=Firing.Outcome.STARTED)
    with transaction.atomic():
        # the schedule before its firing, as ``aiops.locks`` demands
        schedule = Schedule.objects.select_for_update(no_key=True).filter(pk=firing.schedule_id).first()
        if schedule is None or not mine.update(outcome=outcome, reason=reason):
            return 0
        if outcome == Firing.Outcome.FAILED:
            lifecycle.count_failure(schedule, reason)
        elif outcome == Firing.Outcome.SUCCEEDED:
            schedule.failures = 0
        schedule.save(update_fields=["failures", "paused_at", "paused_because"])
    return 1


def _of_run(state: State) -> Firing.Outcome:
    match state:
        case State.SUCCEEDED:
            return Firing.Outcome.SUCCEEDED
        case State.FAILED | State.EXPIRED:
            return Firing.Outcome.FAILED
        case State.CANCELLED:
            return Firing.Outcome.CANCELLED
        case State.QUEUED | State.RUNNING | State.WAITING_APPROVAL:
            return Firing.Outcome.STARTED
        case _:
            assert_never(state)


def _outcome(firing: Firing) -> tuple[str, str]:
    if firing.run is not None:
        return _of_run(State(firing.run.state)), (firing.run.error or {}).get("detail", "")
    if firing.batch is not None:
        return OF_BATCH[Batch.State(firing.batch.state)], (firing.batch.error or {}).get("detail", "")
    return Firing.Outcome.CANCELLED, "It was deleted."


def pending_approval(schedule: Schedule) -> str:
    """Return the id of an approval that an earlier run of this schedule waits for; empty when there is none."""
    fired = Firing.objects.filter(schedule=schedule, outcome=Firing.Outcome.STARTED)
    of_batches = Item.objects.filter(batch__in=fired.values("batch"), state=Item.State.RUNNING)
    waits = Q(pk__in=fired.values("run")) | Q(pk__in=of_batches.values("run"))
    found = Run.objects.filter(waits, state=State.WAITING_APPROVAL, approvals__state=ApprovalState.PENDING)
    pending = found.values_list("approvals", flat=True).first()
    return str(pending) if pending else ""
