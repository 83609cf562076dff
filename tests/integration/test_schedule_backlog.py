"""A long line of due schedules: users take turns, a tick ends in time, and only an absence is lateness."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.db import DataError, transaction
from django.db.models.functions import Now

from aiops.maintenance.models import JobRun
from aiops.people.models import User
from aiops.schedules import firing, lifecycle
from aiops.schedules.models import Firing, Schedule
from tests.integration.test_schedules import Make, come, make, outcomes, queue, tick

__all__ = ["make", "queue"]
pytestmark = pytest.mark.django_db
SETTINGS = django_settings.SETTINGS


class Clock:
    """A monotonic clock that advances by a second with each schedule that is tried."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now_s = 0.0
        fire = firing._fire

        def advance(*args: Any) -> bool:
            self.now_s += 1
            return fire(*args)

        monkeypatch.setattr(firing, "time", SimpleNamespace(monotonic=lambda: self.now_s))
        monkeypatch.setattr(firing, "_fire", advance)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def test_users_take_turns_when_time_is_short(make: Make, clock: Clock) -> None:
    other = User.objects.create_user("bob", password="correct-horse-battery")
    many = [make() for _ in range(4)]
    with transaction.atomic():
        single = lifecycle.make(other, {"name": "s", "message": "hello", "every_s": 3_600}, most=50)
    for schedule in many:
        come(schedule, ago_s=10)
    come(single, ago_s=1)
    assert firing.tick(SETTINGS.model_copy(update={"reaper_s": 1}))["fired"] < 5
    assert outcomes(single) == ["started"]


def test_a_tick_ends_before_the_threads_of_maintenance_are_all_taken_and_the_next_goes_on(
    make: Make, clock: Clock
) -> None:
    schedules = [make() for _ in range(12)]
    for schedule in schedules:
        come(schedule)
    settings = SETTINGS.model_copy(update={"reaper_s": 2})
    fired = [firing.tick(settings)["fired"] for _ in range(3)]
    assert fired == [5, 5, 2]
    assert {outcome for schedule in schedules for outcome in outcomes(schedule)} == {"started"}


def test_a_time_that_waited_in_line_when_everybody_went_away_is_missed(make: Make) -> None:
    schedule = make()
    come(schedule, ago_s=600)
    for ago_s in (598, 595, 2, 0):
        started_at = Now() - timedelta(seconds=ago_s)
        JobRun.objects.create(job="schedules", slot=str(ago_s), outcome="done", started_at=started_at)
    tick()
    assert outcomes(schedule) == ["missed"]


def test_a_schedule_that_the_database_refuses_and_whose_zone_is_unknown_stops_none_of_the_others(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken, other = make(), make()
    Schedule.objects.filter(pk=broken.pk).update(timezone="Mars/Foo", kind="cron", every_s=None, cron="0 7 * * *")
    start = firing._start

    def refuse(schedule: Schedule, *rest: Any) -> None:
        if schedule.pk == broken.pk:
            raise DataError("bad text")
        start(schedule, *rest)

    monkeypatch.setattr(firing, "_start", refuse)
    come(broken, ago_s=2)
    come(other)
    assert tick() == {"fired": 1, "settled": 0, "broken": 1}
    broken.refresh_from_db()
    assert broken.state == "paused"
    assert Firing.objects.filter(schedule=other, outcome="started").exists()
