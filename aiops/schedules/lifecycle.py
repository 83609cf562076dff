"""What a schedule's owner does with it: make, change, pause, resume."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone

from aiops.errors import Conflict, Invalid, TooMany
from aiops.people.models import User
from aiops.schedules import timing
from aiops.schedules.models import Schedule
from aiops.schedules.timing import MIN_INTERVAL_S, BadTime, Times

KINDS = {"every_s": Schedule.Kind.INTERVAL, "cron": Schedule.Kind.CRON, "at": Schedule.Kind.ONCE}
TIMES = {*KINDS, "timezone", "ends_at", "max_times", "jitter_s"}
"""Fields that say when it is due."""
UPCOMING = 5
SHORTEST = timedelta(seconds=MIN_INTERVAL_S)


def make(user: User, fields: dict[str, Any], *, most: int) -> Schedule:
    """Write a schedule; raises TooMany, or Invalid when its times make no sense. Must run in a transaction."""
    User.objects.select_for_update(no_key=True).get(pk=user.pk)
    if Schedule.objects.filter(user=user).count() >= most:
        raise TooMany(
            f"You have {most} schedules, the most one person may have: delete one.", code="too_many_schedules"
        )
    schedule = Schedule(user=user, created_at=timezone.now(), **_kind(fields), **fields)
    _aim(schedule)
    schedule.save()
    return schedule


def change(schedule: Schedule, fields: dict[str, Any]) -> Schedule:
    """Write what is changed, and when it is due now; raises Invalid. The times it has had are kept."""
    with transaction.atomic():
        locked = Schedule.objects.select_for_update(no_key=True).get(pk=schedule.pk)
        told = {name for name in KINDS if fields.get(name)}
        if told:
            fields = {"every_s": None, "cron": "", "at": None, **fields, **_kind(fields)}
        for name, value in fields.items():
            setattr(locked, name, value)
        if TIMES & set(fields):
            _aim(locked)
        locked.save()
    return locked


def pause(schedule: Schedule, *, because: str) -> None:
    """Let it rest until it is resumed."""
    Schedule.objects.filter(pk=schedule.pk, paused_at=None).update(paused_at=Now(), paused_because=because)


def resume(schedule: Schedule) -> Schedule:
    """Go on from now; the times that passed meanwhile are not made up for. Raises Conflict when it is not paused."""
    with transaction.atomic():
        locked = Schedule.objects.select_for_update(no_key=True).get(pk=schedule.pk)
        if locked.paused_at is None:
            raise Conflict("This schedule is not paused.", code="not_paused")
        locked.paused_at, locked.paused_because, locked.failures = None, "", 0
        _aim(locked)
        locked.save()
    return locked


def times_of(schedule: Schedule) -> Times:
    """Return a schedule's times."""
    return Times(
        since=schedule.created_at,
        every_s=schedule.every_s,
        cron=schedule.cron,
        timezone=schedule.timezone,
        at=schedule.at,
        ends_at=schedule.ends_at,
    )


def upcoming(schedule: Schedule) -> list[datetime]:
    """Return the next five times of an active schedule."""
    if schedule.state != "active":
        return []
    left = UPCOMING if schedule.max_times is None else min(UPCOMING, schedule.max_times - schedule.times)
    return times_of(schedule).some(datetime.now(UTC), count=left)


def aim(schedule: Schedule, *, after: datetime) -> None:
    """Set when it is due next, if ever."""
    used_up = schedule.max_times is not None and schedule.times >= schedule.max_times
    schedule.due_at = None if used_up else times_of(schedule).next(after)
    schedule.next_at = timing.with_jitter(schedule.due_at, jitter_s=schedule.jitter_s)


def _aim(schedule: Schedule) -> None:
    """Set when a schedule that its owner wrote is due; raises Invalid when that is never, or too often."""
    try:
        aim(schedule, after=datetime.now(UTC))
        soon = times_of(schedule).some(datetime.now(UTC), count=2)
    except BadTime as bad:
        field = "timezone" if "time zone" in str(bad) else "cron"
        raise Invalid("This tells no time.", errors={field: [str(bad)]}) from bad
    if schedule.due_at is None:
        raise Invalid("No time will come.", errors={_field(schedule): ["All its times have passed, or are used up."]})
    if len(soon) > 1 and soon[1] - soon[0] < SHORTEST:
        raise Invalid("Too often.", errors={_field(schedule): [f"At most every {MIN_INTERVAL_S} s."]})


def _field(schedule: Schedule) -> str:
    return next(name for name, kind in KINDS.items() if kind == schedule.kind)


def _kind(fields: dict[str, Any]) -> dict[str, str]:
    told = [name for name in KINDS if fields.get(name)]
    if len(told) != 1:
        raise Invalid("When is it due?", errors={name: ["Give one of every_s, cron and at."] for name in told or KINDS})
    return {"kind": KINDS[told[0]]}
