"""Starts what is due, and takes over what came of it.

Everything is read from rows and does all that is due, so it may be called at any time, by anybody, twice: a time is
written in the transaction that starts its run.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.db import DatabaseError, InterfaceError, transaction
from django.db.models import Q, QuerySet

from aiops import database, dispatch, log
from aiops.batches import lifecycle as batches
from aiops.batches.lifecycle import Plan
from aiops.batches.models import Batch
from aiops.conversations import sending
from aiops.conversations.acceptance import Question, accept
from aiops.conversations.models import Conversation, Run
from aiops.errors import Conflict, TooMany
from aiops.schedules import lifecycle
from aiops.schedules.models import Firing, Schedule
from aiops.settings import Settings

MOST_AT_ONCE = 100
LATE_S = 60.0
"""A time that passed this long ago was missed: beat or the workers were away."""
BUSY = {
    Schedule.Overlap.SKIP: "reject",
    Schedule.Overlap.QUEUE: "enqueue",
    Schedule.Overlap.REPLACE: "interrupt",
}
OF_RUN = {
    Run.State.SUCCEEDED: Firing.Outcome.SUCCEEDED,
    Run.State.FAILED: Firing.Outcome.FAILED,
    Run.State.CANCELLED: Firing.Outcome.CANCELLED,
    Run.State.EXPIRED: Firing.Outcome.FAILED,
}
OF_BATCH = {
    Batch.State.COMPLETED: Firing.Outcome.SUCCEEDED,
    Batch.State.FAILED: Firing.Outcome.FAILED,
    Batch.State.EXPIRED: Firing.Outcome.FAILED,
    Batch.State.CANCELLED: Firing.Outcome.CANCELLED,
}

logger = log.get(__name__)


def tick(settings: Settings) -> dict[str, int]:
    """Do all that is due; return counts."""
    settled = _settle()
    now = database.now()
    due = Schedule.objects.filter(paused_at=None, next_at__lte=now).order_by("next_at")
    fired = sum(_fire_or_pause(pk, now, settings) for pk in list(due.values_list("pk", flat=True)[:MOST_AT_ONCE]))
    return {"fired": fired, "settled": settled}


def _fire_or_pause(schedule_id: Any, now: datetime, settings: Settings) -> int:
    """Start one schedule; one that cannot even be tried is paused, so that the others go on."""
    try:
        return _fire(schedule_id, now, settings)
    except (DatabaseError, InterfaceError):
        raise
    except Exception as error:
        logger.exception("schedule.broke", schedule=str(schedule_id))
        why = f"It could not be started ({type(error).__name__}): change it, or make another."
        lifecycle.pause(Schedule(pk=schedule_id), because=why)
        return 0


def run_now(schedule: Schedule, settings: Settings) -> Firing:
    """Start it once, besides its times; raises what refuses it: Conflict, TooMany."""
    with transaction.atomic():
        locked = Schedule.objects.select_for_update(no_key=True).select_related("user").get(pk=schedule.pk)
        now = database.now()
        firing = Firing(schedule=locked, due_at=now, outcome=Firing.Outcome.STARTED)
        _start(locked, firing, settings)
        locked.save()
        firing.save()
    return firing


def _fire(schedule_id: Any, now: datetime, settings: Settings) -> int:
    """Start one schedule whose time has come; 0 when somebody else has done so."""
    with transaction.atomic():
        rows: QuerySet[Schedule] = Schedule.objects.select_for_update(no_key=True, skip_locked=True, of=("self",))
        schedule = rows.select_related("user").filter(pk=schedule_id, paused_at=None, next_at__lte=now).first()
        if schedule is None or schedule.due_at is None or schedule.next_at is None:
            return 0
        firing = Firing(schedule=schedule, due_at=schedule.due_at, outcome=Firing.Outcome.STARTED)
        late = now - schedule.next_at > timedelta(seconds=LATE_S)
        if late and schedule.catch_up == Schedule.CatchUp.SKIP:
            firing.outcome, firing.reason = Firing.Outcome.MISSED, "Nobody looked at the clock when it was due."
        else:
            _try(schedule, firing, settings)
        lifecycle.aim(schedule, after=max(now, schedule.due_at))
        schedule.save()
        firing.save()
    logger.info("schedule.fired", schedule=str(schedule_id), outcome=firing.outcome)
    return 1


def _try(schedule: Schedule, firing: Firing, settings: Settings) -> None:
    """Start it, or write why not."""
    if not schedule.user.is_active:
        lifecycle.pause(schedule, because="Its owner is locked.")
        schedule.refresh_from_db(fields=["paused_at", "paused_because"])
        firing.outcome, firing.reason = Firing.Outcome.REFUSED, "Its owner is locked."
        return
    before = schedule.conversation
    try:
        with transaction.atomic():
            _start(schedule, firing, settings)
        schedule.times += 1
        return
    except Conflict:
        firing.outcome, firing.reason = Firing.Outcome.SKIPPED, "The one before is unfinished."
    except TooMany as error:
        firing.outcome, firing.reason = Firing.Outcome.REFUSED, error.detail
    schedule.conversation, firing.run, firing.batch = before, None, None  # what was written for them is undone


def _start(schedule: Schedule, firing: Firing, settings: Settings) -> None:
    start: Callable[..., None] = _start_prompt if schedule.batch is None else _start_batch
    start(schedule, firing, settings)


def _start_prompt(schedule: Schedule, firing: Firing, settings: Settings) -> None:
    options = dict(schedule.options)
    if schedule.conversation is None:
        schedule.conversation = Conversation.objects.create(user=schedule.user, title=schedule.name)
    question = Question(
        schedule.message,
        conversation_id=schedule.conversation.pk,
        on_busy=BUSY[Schedule.Overlap(schedule.overlap)],  # type: ignore[arg-type]
        deadline_s=options.pop("deadline_s", settings.run_deadline_s),
        options=options,
        webhook=schedule.webhook,
    )
    accepted = accept(schedule.user, question, max_queued=settings.max_queued_runs)
    firing.run = accepted.run
    transaction.on_commit(partial(sending.send, accepted, ttl_s=settings.stream_ttl_s))


def _start_batch(schedule: Schedule, firing: Firing, settings: Settings) -> None:
    before = Batch.objects.filter(
        pk__in=Firing.objects.filter(schedule=schedule).values("batch"), state__in=Batch.UNFINISHED
    )
    if before and schedule.overlap == Schedule.Overlap.SKIP:
        raise Conflict("The one before is unfinished.", code="batch_busy")
    for batch in before if schedule.overlap == Schedule.Overlap.REPLACE else ():
        if batch.state in (Batch.State.VALIDATING, Batch.State.IN_PROGRESS):
            stopped = batches.cancel(batch)
            transaction.on_commit(partial(sending.announce_stop, stopped, ttl_s=settings.stream_ttl_s))
    asked: dict[str, Any] = dict(schedule.batch or {})
    lines = "\n".join(json.dumps(item, ensure_ascii=False) for item in asked.pop("items")).encode()
    asked["defaults"] = {**schedule.options, **asked["defaults"]}  # read_only among them
    asked["webhook"] = schedule.webhook or asked["webhook"]
    made = batches.make(schedule.user, Plan(**asked), [lines], most=settings.max_batches)
    firing.batch = made
    transaction.on_commit(lambda: dispatch.validate(str(made.pk)))


def _settle() -> int:
    """Take over how runs and batches ended; a schedule that fails again and again is paused."""
    gone = Q(run=None, batch=None)
    ended = gone | Q(run__state__in=Run.ENDED) | Q(batch__state__in=Batch.ENDED)
    due = Firing.objects.filter(ended, outcome=Firing.Outcome.STARTED).order_by("pk")
    rows = list(due.select_related("run", "batch")[:MOST_AT_ONCE])
    return sum(_settle_one(firing) for firing in rows)


def _settle_one(firing: Firing) -> int:
    outcome, reason = _outcome(firing)
    mine = Firing.objects.filter(pk=firing.pk, outcome=Firing.Outcome.STARTED)
    with transaction.atomic():
        schedule = Schedule.objects.select_for_update(no_key=True).get(pk=firing.schedule_id)
        if not mine.update(outcome=outcome, reason=reason):
            return 0
        if outcome == Firing.Outcome.FAILED:
            schedule.failures += 1
        elif outcome == Firing.Outcome.SUCCEEDED:
            schedule.failures = 0
        if schedule.failures >= schedule.max_failures and schedule.paused_at is None:
            schedule.paused_at = database.now()
            schedule.paused_because = f"It failed {schedule.failures} times in a row; the last time: {reason}"
            logger.warning("schedule.paused", schedule=str(schedule.pk), failures=schedule.failures)
        schedule.save(update_fields=["failures", "paused_at", "paused_because"])
    return 1


def _outcome(firing: Firing) -> tuple[str, str]:
    if firing.run is not None:
        return OF_RUN[Run.State(firing.run.state)], (firing.run.error or {}).get("detail", "")
    if firing.batch is not None:
        return OF_BATCH[Batch.State(firing.batch.state)], (firing.batch.error or {}).get("detail", "")
    return Firing.Outcome.CANCELLED, "It was deleted."
