"""Creates, changes, pauses, resumes and deletes schedules, and computes when they are due."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import DataError, transaction
from django.db.models import QuerySet
from django.db.models.functions import Now

from aiops import database, log
from aiops.errors import Conflict, Invalid, NotFound, TooMany
from aiops.locks import lock
from aiops.people import accounts
from aiops.people.models import User
from aiops.schedules import notices, timing
from aiops.schedules.models import Schedule
from aiops.schedules.timing import MIN_INTERVAL_S, BadTime, Times

KINDS = {"every_s": Schedule.Kind.INTERVAL, "cron": Schedule.Kind.CRON, "at": Schedule.Kind.ONCE}
TIMES = {*KINDS, "timezone", "ends_at", "max_times", "jitter_s"}
"""Fields that determine when it is due."""
UPCOMING = 5
DEACTIVATED = "Its owner's account is deactivated."
SHORTEST = timedelta(seconds=MIN_INTERVAL_S)

logger = log.get(__name__)


def make(user: User, fields: dict[str, Any], *, most: int) -> Schedule:
    """Create a schedule; raises TooMany, or Invalid for its times. Must run in a transaction."""
    accounts.lock_active(user.pk)  # or two simultaneous requests could both find room for one more
    if Schedule.objects.filter(user=user).count() >= most:
        raise TooMany(
            f"You have {most} schedules, the most one person may have: delete one.", code="too_many_schedules"
        )
    schedule = Schedule(user=user, created_at=database.now(), **_kind(fields), **fields)
    _aim(schedule)
    schedule.save()
    return schedule


def lock_row(schedule: Schedule) -> Schedule:
    """Lock the row and return its present content; raises NotFound when it was deleted meanwhile."""
    rows: QuerySet[Schedule] = Schedule.objects.select_for_update(no_key=True, of=("self",)).select_related("user")
    locked = rows.filter(pk=schedule.pk).first()
    if locked is None:
        raise NotFound("The schedule was deleted meanwhile.")
    return locked


def change(
    schedule: Schedule,
    fields: dict[str, Any],
    *,
    options: dict[str, Any] | None = None,
    check: Callable[[dict[str, Any]], object] = dict,
) -> Schedule:
    """Change fields and options, and recompute when it is due; raises NotFound, Invalid, or what ``check`` raises.

    ``check`` gets the merged options. They are merged with those of the locked row, so that of two simultaneous changes
    none is lost.
    """
    with transaction.atomic():
        locked = lock_row(schedule)
        if any(fields.get(name) for name in KINDS):
            fields = {"every_s": None, "cron": "", "at": None, **fields, **_kind(fields)}
        for name, value in fields.items():
            setattr(locked, name, value)
        if options:
            locked.options = {**locked.options, **options}
            check(locked.options)
        if TIMES & set(fields):
            _aim(locked)
        locked.save()
    return locked


def remove(schedule: Schedule) -> None:
    """Delete it with its firings, after a firing that is being written; its runs and batches stay."""
    with transaction.atomic():
        # a plain lock, because the row is about to go: it also stops others from referring to it
        for locked in Schedule.objects.select_for_update().filter(pk=schedule.pk):
            locked.delete()


def pause(schedule: Schedule, *, because: str) -> None:
    """Pause it until it is resumed; a paused one keeps its reason."""
    Schedule.objects.filter(pk=schedule.pk, paused_at=None).update(paused_at=Now(), paused_because=because)


def leave(user: User) -> None:
    """Pause the schedules of a person whose account is deactivated."""
    mine = lock(Schedule.objects.filter(user=user.pk, paused_at=None))
    Schedule.objects.filter(pk__in=mine).update(paused_at=Now(), paused_because=DEACTIVATED)


def pause_broken(schedule_id: UUID, *, because: str) -> None:
    """Pause one that cannot be started, and tell its owner; a notice that cannot be written keeps no other waiting."""
    pause(Schedule(pk=schedule_id), because=because)
    found = Schedule.objects.select_related("user").filter(pk=schedule_id, paused_because=because).first()
    if found is None:
        return
    try:
        with transaction.atomic():
            notices.paused(found)
    except (DataError, ValueError, TypeError):
        logger.exception("schedule.notice_not_written", schedule=str(schedule_id))


def resume(schedule: Schedule) -> Schedule:
    """Resume from now on, without catching up; raises NotFound, or Conflict when it is not paused or never due."""
    with transaction.atomic():
        locked = lock_row(schedule)
        if locked.paused_at is None:
            raise Conflict("This schedule is not paused.", code="not_paused")
        locked.paused_at, locked.paused_because, locked.failures = None, "", 0
        try:
            _aim(locked)
        except Invalid as error:
            reasons = " ".join(reason for given in error.errors.values() for reason in given)
            raise Conflict(f"{reasons} Change when it runs, then resume it.", code="nothing_to_do") from error
        locked.save()
    return locked


def count_failure(schedule: Schedule, reason: str) -> None:
    """Count a failure of a locked schedule, pause it when there are too many in a row, and tell its owner of both.

    The caller saves it.
    """
    schedule.failures += 1
    if schedule.failures == 1:
        notices.failed(schedule, reason)
    if schedule.failures >= schedule.max_failures and schedule.paused_at is None:
        schedule.paused_at = database.now()
        schedule.paused_because = f"It failed {schedule.failures} times in a row; the last time: {reason}"
        notices.paused(schedule)
        logger.warning("schedule.paused", schedule=str(schedule.pk), failures=schedule.failures)


def times_of(schedule: Schedule) -> Times:
    """Return the times of a schedule."""
    return Times(
        since=schedule.created_at,
        every_s=schedule.every_s,
        cron=schedule.cron,
        timezone=schedule.timezone,
        at=schedule.at,
        ends_at=schedule.ends_at,
    )


def upcoming(schedule: Schedule) -> list[datetime]:
    """Return the next five times of an active schedule, without jitter; none when its times are invalid here.

    The first may have passed already, if it waits for its jitter or is overdue.
    """
    due = schedule.due_at
    if schedule.state != "active" or due is None:
        return []
    left = UPCOMING if schedule.max_times is None else min(UPCOMING, schedule.max_times - schedule.times)
    try:
        return [due, *times_of(schedule).some(max(due, datetime.now(UTC)), count=left - 1)]
    except BadTime:  # such as a time zone that only another machine has
        return []


def aim(schedule: Schedule, *, after: datetime) -> None:
    """Set the first due time after a moment, if there is one."""
    used_up = schedule.max_times is not None and schedule.times >= schedule.max_times
    schedule.due_at = None if used_up else times_of(schedule).next(after)
    schedule.next_at = timing.with_jitter(schedule.due_at, jitter_s=schedule.jitter_s)


def _aim(schedule: Schedule) -> None:
    """Set the first due time of a schedule that its owner wrote; raises Invalid when it is due never, or too often."""
    now = database.now()
    try:
        timing.zone(schedule.timezone)
        aim(schedule, after=now)
        gap = times_of(schedule).shortest_gap(now)
    except BadTime as bad:
        field = "timezone" if "time zone" in str(bad) else "cron"
        raise Invalid(f"Correct {field}.", errors={field: [str(bad)]}) from bad
    if schedule.due_at is None:
        raise Invalid("It would never run.", errors={_field(schedule): ["All its times have passed, or are used up."]})
    if gap is not None and gap < SHORTEST:
        raise Invalid("Too often.", errors={_field(schedule): [f"At most every {MIN_INTERVAL_S} s."]})
    if gap is not None and schedule.jitter_s >= gap.total_seconds():
        most = int(gap.total_seconds()) - 1
        reason = f"At most {most} s: some of its times are only {most + 1} s apart."
        raise Invalid("Correct jitter_s.", errors={"jitter_s": [reason]})


def _field(schedule: Schedule) -> str:
    return next(name for name, kind in KINDS.items() if kind == schedule.kind)


def _kind(fields: dict[str, Any]) -> dict[str, str]:
    given = [name for name in KINDS if fields.get(name)]
    if len(given) != 1:
        reasons = {name: ["Give one of every_s, cron and at."] for name in given or KINDS}
        raise Invalid("When is it due?", errors=reasons)
    return {"kind": KINDS[given[0]]}
