"""Starts the runs and batches of due schedules; ``settling`` follows how they end.

All state is in rows, and a due time is recorded in the transaction that starts its run, so concurrent and repeated
calls are safe. A schedule that cannot be started does not stop the others.
"""

from __future__ import annotations

import time
from collections import Counter
from datetime import datetime, timedelta
from functools import partial
from itertools import pairwise
from typing import Any

from django.db import DatabaseError, InterfaceError, OperationalError, connection, transaction
from django.db.models import QuerySet, Window
from django.db.models.functions import Now, RowNumber

from aiops import database, dispatch, log
from aiops.batches import lifecycle as batches
from aiops.batches.lifecycle import Plan
from aiops.batches.models import Batch
from aiops.batches.reading.lines import as_jsonl
from aiops.conversations.models import Conversation
from aiops.errors import AiopsError, Conflict, Invalid, TooMany
from aiops.llm import snapshot
from aiops.locks import lock
from aiops.maintenance.models import JobRun
from aiops.people.models import User
from aiops.runs import send
from aiops.runs.accept import NewMessage, accept
from aiops.runs.options import RunOptions
from aiops.runs.sources import Source
from aiops.schedules import lifecycle, settling
from aiops.schedules.models import Firing, Schedule
from aiops.schedules.timing import BadTime
from aiops.settings import Settings

MOST_AT_ONCE = 100
FOR_S = 20.0
"""No schedule is started after this long; the next tick continues."""
INTERVALS = 2.5
"""Nor after this many intervals of the job, so that of worker-upkeep's four threads one stays free for the reaper."""
LATE_S = 60.0
"""A due time is missed when, at any point since, no tick began for this long plus an interval of the job."""
BUSY = {
    Schedule.Overlap.SKIP: "reject",
    Schedule.Overlap.QUEUE: "enqueue",
    Schedule.Overlap.REPLACE: "interrupt",
}
JOB = "schedules"
"""The maintenance job that calls ``tick``; its rows show when it ran."""
FIRED, NOT_DUE, POSTPONED, BROKEN = "fired", "not_due", "postponed", "broken"

logger = log.get(__name__)


def tick(settings: Settings) -> dict[str, int]:
    """Start everything due, within the time limits; return counts."""
    until = time.monotonic() + min(FOR_S, INTERVALS * settings.reaper_s)
    counts = Counter({"fired": 0, "settled": settling.settle(), "broken": 0})
    postponed: list[Any] = []
    more = True
    while more:
        ids = _due_ids(without=postponed)
        more = len(ids) == MOST_AT_ONCE
        for pk in ids:
            outcome = _fire_or_mark(pk, settings)
            counts[outcome] += 1
            if outcome == POSTPONED:  # it stays due, so without this the next query would return it again
                postponed.append(pk)
            if time.monotonic() >= until:
                more = False
                break
    return {name: counts[name] for name in ("fired", "settled", "broken")}


def _due_ids(*, without: list[Any]) -> list[Any]:
    """Return the ids of due schedules: users take turns, and each user's earliest due time comes first."""
    due = Schedule.objects.filter(paused_at=None, next_at__lte=Now()).exclude(pk__in=without)
    turn = Window(RowNumber(), partition_by="user_id", order_by="next_at")
    return list(due.annotate(turn=turn).order_by("turn", "next_at").values_list("pk", flat=True)[:MOST_AT_ONCE])


def _fire_or_mark(schedule_id: Any, settings: Settings) -> str:
    """Start one schedule, or record why it failed; raises only when the database is unreachable."""
    try:
        return FIRED if _fire(schedule_id, settings) else NOT_DUE
    except (OperationalError, InterfaceError) as error:  # such as a deadlock: the next tick retries
        if not connection.is_usable():
            raise
        logger.warning("schedule.postponed", schedule=str(schedule_id), error=str(error))
        return POSTPONED
    except DatabaseError as error:
        logger.exception("schedule.broke", schedule=str(schedule_id))
        _mark_failed(schedule_id, f"It could not be started ({type(error).__name__}).")
    except Exception as error:
        logger.exception("schedule.broke", schedule=str(schedule_id))
        cause = str(error) if isinstance(error, AiopsError | BadTime) else f"{type(error).__name__}."
        because = f"It could not be started: {cause} Change it, or create another."
        lifecycle.pause_broken(schedule_id, because=because)
    return BROKEN


def _mark_failed(schedule_id: Any, reason: str) -> None:
    """Record that a due time failed, and set the next one; too many failures in a row pause the schedule."""
    with transaction.atomic():
        schedule = Schedule.objects.select_for_update(no_key=True).filter(pk=schedule_id).first()
        if schedule is None or schedule.due_at is None:
            return
        Firing.objects.get_or_create(
            schedule=schedule, due_at=schedule.due_at, defaults={"outcome": Firing.Outcome.FAILED, "reason": reason}
        )
        lifecycle.count_failure(schedule, reason)
        try:
            lifecycle.aim(schedule, after=max(database.now(), schedule.due_at))
        except BadTime as bad:
            schedule.paused_at, schedule.paused_because = database.now(), f"{reason} {bad}"
        schedule.save()


def run_now(schedule: Schedule, settings: Settings) -> Firing:
    """Start it once, in addition to its times; raises NotFound, Conflict or TooMany."""
    with transaction.atomic():
        lock(User.objects.filter(pk=schedule.user_id))  # before the schedule, as ``aiops.locks`` demands
        locked = lifecycle.lock_row(schedule)
        firing = Firing(schedule=locked, due_at=database.now(), outcome=Firing.Outcome.STARTED)
        _start(locked, firing, settings)
        locked.save()
        firing.save()
    return firing


def _fire(schedule_id: Any, settings: Settings) -> bool:
    """Start one due schedule; False when another process has started it."""
    with transaction.atomic():
        lock(User.objects.filter(pk__in=Schedule.objects.filter(pk=schedule_id).values("user")))
        rows: QuerySet[Schedule] = Schedule.objects.select_for_update(no_key=True, skip_locked=True, of=("self",))
        schedule = rows.select_related("user").filter(pk=schedule_id, paused_at=None, next_at__lte=Now()).first()
        if schedule is None or schedule.due_at is None or schedule.next_at is None:
            return False
        now = database.now()
        firing = Firing(schedule=schedule, due_at=schedule.due_at, outcome=Firing.Outcome.STARTED)
        fired_already = Firing.objects.filter(schedule=schedule, due_at=schedule.due_at).exists()
        # it has fired already when the clock was set back over this time and the schedule was changed since
        if not fired_already:
            if schedule.catch_up == Schedule.CatchUp.SKIP and _was_missed(schedule.next_at, now, settings):
                firing.outcome = Firing.Outcome.MISSED
                firing.reason = "The maintenance job was not running when it was due."
            else:
                _start_or_refuse(schedule, firing, settings)
            firing.save()
        # after now, so times that passed meanwhile are not started one by one
        lifecycle.aim(schedule, after=max(now, schedule.due_at))
        schedule.save()
    logger.info("schedule.fired", schedule=str(schedule_id), outcome=firing.outcome, again=fired_already)
    return not fired_already


class ModelGone(Invalid):
    """The owner may not choose its model any more, or it is gone."""


def _was_missed(due: datetime, now: datetime, settings: Settings) -> bool:
    """Return whether ticks paused for too long at any point since; a backlog that ticks worked on does not count."""
    limit = timedelta(seconds=LATE_S + settings.reaper_s)
    if now - due <= limit:
        return False
    ticks = JobRun.objects.filter(job=JOB, started_at__gte=due, started_at__lte=now)
    starts = ticks.exclude(outcome=JobRun.Outcome.FAILED).order_by("started_at").values_list("started_at", flat=True)
    return any(after - before > limit for before, after in pairwise([due, *starts, now]))


def _start_or_refuse(schedule: Schedule, firing: Firing, settings: Settings) -> None:
    """Start it, or set the outcome and reason of a firing that starts nothing."""
    if not schedule.user.is_active:
        schedule.paused_at, schedule.paused_because = database.now(), lifecycle.DEACTIVATED
        firing.outcome, firing.reason = Firing.Outcome.REFUSED, schedule.paused_because
        return
    conversation = schedule.conversation
    if schedule.overlap != Schedule.Overlap.REPLACE and (approval := settling.pending_approval(schedule)):
        firing.outcome = Firing.Outcome.MISSED
        firing.reason = f"The previous run waits for a decision: approval {approval}."
        return
    try:
        with transaction.atomic():
            _start(schedule, firing, settings)
        schedule.times += 1
        return
    except Conflict:
        firing.outcome, firing.reason = Firing.Outcome.SKIPPED, "The previous run is unfinished."
    except (TooMany, ModelGone) as error:
        firing.outcome, firing.reason = Firing.Outcome.REFUSED, error.detail
    # the rows were rolled back, so the objects must not refer to them
    schedule.conversation, firing.run, firing.batch = conversation, None, None


def _start(schedule: Schedule, firing: Firing, settings: Settings) -> None:
    (_start_prompt if schedule.batch is None else _start_batch)(schedule, firing, settings)


def _start_prompt(schedule: Schedule, firing: Firing, settings: Settings) -> None:
    if problem := snapshot.problem_with(schedule.options, settings, user=schedule.user):
        raise ModelGone(problem)
    if schedule.conversation is None:
        schedule.conversation = Conversation.objects.create(user=schedule.user, title=schedule.name)
    new = NewMessage(
        schedule.message,
        RunOptions.of(schedule.options, default_deadline_s=settings.run_deadline_s),
        conversation_id=schedule.conversation.pk,
        on_busy=BUSY[Schedule.Overlap(schedule.overlap)],  # type: ignore[arg-type]
        webhook=schedule.webhook,
        source=Source.SCHEDULE,
    )
    accepted = accept(schedule.user, new, max_queued=settings.max_queued_runs)
    firing.run = accepted.run
    # after the commit, or a worker could receive a run that has no row yet
    transaction.on_commit(partial(send.send_accepted, accepted, ttl_s=settings.stream_ttl_s))


def _start_batch(schedule: Schedule, firing: Firing, settings: Settings) -> None:
    unfinished = Batch.objects.filter(
        pk__in=Firing.objects.filter(schedule=schedule).values("batch"), state__in=Batch.UNFINISHED
    )
    if unfinished and schedule.overlap == Schedule.Overlap.SKIP:
        raise Conflict("The previous batch is unfinished: wait for it or cancel it.", code="batch_busy")
    for batch in unfinished if schedule.overlap == Schedule.Overlap.REPLACE else ():
        if batch.state in (Batch.State.VALIDATING, Batch.State.IN_PROGRESS):
            stopped = batches.cancel(batch)
            transaction.on_commit(partial(send.announce_stop, stopped, ttl_s=settings.stream_ttl_s))
    stored: dict[str, Any] = dict(schedule.batch or {})
    of_runs = {name: value for name, value in schedule.options.items() if name != "read_only"}
    stored["defaults"] = {**of_runs, **stored.get("defaults", {})}
    stored["allow_changes"] = not schedule.options.get("read_only", True)
    stored["webhook"] = schedule.webhook or stored.get("webhook", "")
    pieces = [as_jsonl(stored["items"])]
    made = firing.batch = batches.make(schedule.user, Plan.from_stored(stored), pieces, most=settings.max_batches)
    transaction.on_commit(lambda: dispatch.validate(str(made.pk)))
