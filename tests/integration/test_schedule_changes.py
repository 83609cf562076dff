"""What owners see and change: next times with jitter, a schedule that is gone, and why one is paused."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.test import Client

from aiops import database
from aiops.errors import NotFound
from aiops.people.models import User
from aiops.schedules import firing, lifecycle
from aiops.schedules.models import Firing, Schedule
from tests.integration.test_schedule_isolation import Call, call
from tests.integration.test_schedules import Make, come, make, queue, tick

__all__ = ["call", "make", "queue"]
pytestmark = pytest.mark.django_db
SETTINGS = django_settings.SETTINGS


def test_a_time_that_waits_for_its_jitter_is_still_the_next_one(make: Make) -> None:
    schedule = make(jitter_s=1_800)
    due = database.now() - timedelta(seconds=60)
    Schedule.objects.filter(pk=schedule.pk).update(due_at=due, next_at=due + timedelta(seconds=600))
    schedule.refresh_from_db()
    times = lifecycle.upcoming(schedule)
    assert times[0] == schedule.due_at
    assert len(times) == lifecycle.UPCOMING
    assert times[1] > database.now()


def test_a_schedule_with_one_time_left_announces_one(make: Make) -> None:
    schedule = make(max_times=1, jitter_s=600)
    assert lifecycle.upcoming(schedule) == [schedule.due_at]


def test_missed_times_of_a_schedule_are_not_announced_as_upcoming(make: Make) -> None:
    schedule = make(every_s=60)
    come(schedule, ago_s=3_600)
    schedule.refresh_from_db()
    overdue, *later = lifecycle.upcoming(schedule)
    assert overdue == schedule.due_at
    assert all(time > database.now() for time in later)


@pytest.mark.parametrize(
    "act",
    [
        lambda schedule: lifecycle.change(schedule, {"name": "new"}),
        lifecycle.resume,
        lambda schedule: firing.run_now(schedule, SETTINGS),
    ],
)
def test_an_action_on_a_schedule_deleted_meanwhile_is_not_found(make: Make, act: Callable[[Schedule], object]) -> None:
    schedule = make()
    lifecycle.remove(Schedule.objects.get(pk=schedule.pk))
    with pytest.raises(NotFound):
        act(schedule)


@pytest.mark.parametrize("policy", ["all_or_nothing", "skip_invalid"])
def test_a_custom_id_that_is_there_twice_is_refused(call: Call, policy: str) -> None:
    items = [{"prompt": "one", "custom_id": "a"}, {"prompt": "two", "custom_id": "a"}]
    body = {"name": "s", "every_s": 3_600, "batch": {"items": items, "policy": policy}}
    status, problem = call("post", "/api/schedules/", body)
    assert (status, len(problem["errors"]["batch"])) == (400, 1)
    assert problem["errors"]["batch"][0].startswith("Item 2: The custom_id 'a' is not unique")


def test_an_item_whose_model_is_not_configured_is_refused(call: Call) -> None:
    items = [{"prompt": "one"}, {"prompt": "two", "model": "no-such-model"}]
    status, problem = call("post", "/api/schedules/", {"name": "s", "every_s": 3_600, "batch": {"items": items}})
    assert status == 400
    assert problem["errors"]["batch"][0].startswith("Item 2: model: Not configured")


def test_a_stored_batch_that_lacks_a_field_pauses_its_schedule_and_the_reason_names_the_field(
    make: Make, queue: list[str]
) -> None:
    plan: dict[str, Any] = {
        "name": "b", "format": "jsonl", "policy": "skip_invalid", "template": "", "response_schema": None,
        "defaults": {}, "max_concurrency": 1,
    }  # fmt: skip
    schedule = make(message="", batch={"items": [{"prompt": "hello"}], **plan})
    come(schedule)
    assert tick()["broken"] == 1
    schedule.refresh_from_db()
    assert schedule.state == "paused"
    assert "completion_window_s" in schedule.paused_because


def test_the_page_shows_firings_that_started_nothing_in_the_time_zone_of_the_schedule(make: Make, user: User) -> None:
    schedule = make(timezone="Asia/Tokyo", cron="0 7 * * *", every_s=None)
    due_at = datetime(2027, 1, 31, 22, 0, tzinfo=UTC)
    for minutes, (outcome, reason) in enumerate((("missed", "Nothing ran."), ("started", ""))):
        Firing.objects.create(
            schedule=schedule, due_at=due_at + timedelta(minutes=minutes), outcome=outcome, reason=reason
        )
    client = Client(headers={"host": "localhost"})
    client.force_login(user)
    page = client.get(f"/schedules/{schedule.pk}/").content.decode()
    assert "Nothing ran." in page
    assert '<time datetime="2027-02-01T07:00:00+09:00" data-zone>2027-02-01 07:00 Asia/Tokyo</time>' in page
