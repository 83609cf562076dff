"""What is due is started once, whoever looks; what overlaps, was missed or fails again and again is dealt with.

More than 250 lines: the life of a schedule, whose tests share a clock.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.db import connection, transaction
from django.db.models.functions import Now

from aiops import dispatch
from aiops.batches import validation
from aiops.batches.models import Batch
from aiops.conversations.models import Conversation, Message
from aiops.errors import Conflict, Invalid, TooMany
from aiops.people.models import User
from aiops.runs import states
from aiops.runs.models import Run
from aiops.schedules import firing, lifecycle
from aiops.schedules.models import Firing, Schedule

pytestmark = pytest.mark.django_db
SETTINGS = django_settings.SETTINGS
Make = Callable[..., Schedule]


@pytest.fixture(autouse=True)
def queue(monkeypatch: pytest.MonkeyPatch, empty_redis: None) -> list[str]:
    """What was put on the queues."""
    ids: list[str] = []
    monkeypatch.setattr(dispatch, "run", lambda run_id, **_: ids.append(run_id) or True)
    monkeypatch.setattr(dispatch, "validate", lambda batch_id: ids.append(batch_id) or True)
    return ids


@pytest.fixture
def make(user: User) -> Make:
    def made(**fields: Any) -> Schedule:
        asked = {"name": "s", "message": "any errors?", "options": {"read_only": True}, **fields}
        if not {"every_s", "cron", "at"} & set(asked):
            asked["every_s"] = 3_600
        with transaction.atomic():
            return lifecycle.make(user, asked, most=50)

    return made


def come(schedule: Schedule, *, ago_s: float = 1) -> None:
    """Let its time have come so long ago."""
    at = datetime.now(UTC) - timedelta(seconds=ago_s)
    Schedule.objects.filter(pk=schedule.pk).update(due_at=at, next_at=at)


def tick() -> dict[str, int]:
    return firing.tick(SETTINGS)


def outcomes(schedule: Schedule) -> list[str]:
    return list(Firing.objects.filter(schedule=schedule).order_by("pk").values_list("outcome", flat=True))


def end(state: str, **error: Any) -> None:
    Run.objects.filter(state__in=states.UNFINISHED).update(state=state, finished_at=Now(), error=error or None)


def test_a_due_schedule_fires_once_and_its_next_time_is_set(make: Make) -> None:
    schedule = make()
    assert tick() == {"fired": 0, "settled": 0, "broken": 0}
    come(schedule)
    assert tick()["fired"] == 1
    assert tick()["fired"] == 0
    schedule.refresh_from_db()
    run = Run.objects.get()
    assert run.message.text == "any errors?"
    assert run.options == {"read_only": True}
    assert run.conversation == schedule.conversation
    assert schedule.conversation is not None
    assert schedule.conversation.title == "s"
    assert schedule.due_at is not None
    assert schedule.due_at > datetime.now(UTC)
    assert (schedule.times, outcomes(schedule)) == (1, ["started"])


@pytest.mark.django_db(transaction=True)
def test_a_schedule_that_two_workers_find_due_fires_once(make: Make, queue: list[str]) -> None:
    schedule = make()
    come(schedule)
    ready = threading.Barrier(4)

    def look() -> None:
        ready.wait()
        try:
            tick()
        finally:
            connection.close()

    threads = [threading.Thread(target=look) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert outcomes(schedule) == ["started"]
    assert queue == [str(Run.objects.get().pk)]


@pytest.mark.parametrize(
    ("overlap", "second", "states"),
    [
        ("skip", "skipped", ["queued"]),
        ("queue", "started", ["queued", "queued"]),
        ("replace", "started", ["cancelled", "queued"]),
    ],
)
def test_a_firing_during_an_unfinished_one_follows_the_schedules_policy(
    make: Make, overlap: str, second: str, states: list[str]
) -> None:
    schedule = make(overlap=overlap)
    for _ in range(2):
        come(schedule)
        firing._fire(schedule.pk, SETTINGS)
    assert outcomes(schedule) == ["started", second]
    assert list(Run.objects.order_by("position").values_list("state", flat=True)) == states


def test_missed_times_of_a_schedule_are_skipped_or_made_up_for_once(make: Make) -> None:
    left_out, made_up = make(), make(catch_up="once")
    for schedule in (left_out, made_up):
        come(schedule, ago_s=5 * 3_600)
    tick()
    assert outcomes(left_out) == ["missed"]
    assert outcomes(made_up) == ["started"]
    for schedule in (left_out, made_up):
        schedule.refresh_from_db()
        assert schedule.due_at is not None
        assert schedule.due_at > datetime.now(UTC)


def test_a_schedule_that_fails_again_and_again_is_paused_and_says_why(make: Make) -> None:
    schedule = make(max_failures=2)
    for state in ("failed", "succeeded", "failed", "failed"):
        come(schedule)
        tick()
        end(state, **({"detail": "The key was refused."} if state == "failed" else {}))
        tick()
    schedule.refresh_from_db()
    assert outcomes(schedule) == ["failed", "succeeded", "failed", "failed"]
    assert schedule.state == "paused"
    assert schedule.paused_because == "It failed 2 times in a row; the last time: The key was refused."
    come(schedule)
    assert tick()["fired"] == 0
    resumed = lifecycle.resume(schedule)
    assert (resumed.state, resumed.failures) == ("active", 0)
    with pytest.raises(Conflict):
        lifecycle.resume(schedule)


def test_a_schedule_ends_after_its_last_time(make: Make) -> None:
    schedule = make(max_times=1)
    come(schedule)
    tick()
    schedule.refresh_from_db()
    assert (schedule.state, schedule.next_at) == ("done", None)
    once = make(at=datetime.now(UTC) + timedelta(hours=1))
    come(once)
    Schedule.objects.filter(pk=once.pk).update(at=datetime.now(UTC) - timedelta(seconds=1))
    tick()
    once.refresh_from_db()
    assert once.state == "done"


def test_a_batch_is_sent_each_time_and_not_while_the_one_before_is_unfinished(make: Make, queue: list[str]) -> None:
    plan = {
        "name": "",
        "format": "jsonl",
        "policy": "all_or_nothing",
        "template": "",
        "response_schema": None,
        "defaults": {},
        "max_concurrency": 2,
        "completion_window_s": 3_600,
        "webhook": "https://hooks.example.org/",
    }
    schedule = make(message="", batch={"items": [{"prompt": "a"}, {"prompt": "b\u2028"}], **plan})
    for _ in range(2):
        come(schedule)
        tick()
    assert outcomes(schedule) == ["started", "skipped"]
    batch = Batch.objects.get()
    validation.validate(str(batch.pk), SETTINGS)
    assert Batch.objects.get().total == 2
    assert Batch.objects.get().webhook == "https://hooks.example.org/"
    assert not batch.allow_changes, "nobody watches these either"
    Batch.objects.update(state="completed", ended_at=Now())
    tick()
    assert outcomes(schedule) == ["succeeded", "skipped"]


def test_a_schedule_whose_conversation_was_deleted_gets_a_new_one_and_the_run_counts_as_cancelled(make: Make) -> None:
    schedule = make()
    come(schedule)
    tick()
    Conversation.objects.all().delete()
    come(schedule)
    tick()
    assert outcomes(schedule) == ["cancelled", "started"]
    assert Message.objects.count() == 1


def test_a_firing_of_a_user_with_too_many_unfinished_runs_is_refused(make: Make, user: User) -> None:
    schedule = make()
    come(schedule)
    firing.tick(SETTINGS.model_copy(update={"max_queued_runs": 0}))
    refused = Firing.objects.get()
    assert (refused.outcome, refused.schedule.times) == ("refused", 0)
    assert "unfinished runs" in refused.reason


def test_a_schedule_of_a_locked_owner_does_not_fire(make: Make, user: User) -> None:
    schedule = make()
    user.is_active = False
    user.save()
    come(schedule)
    tick()
    schedule.refresh_from_db()
    assert (schedule.state, Run.objects.count()) == ("paused", 0)


def test_a_schedule_that_cannot_fire_is_paused_and_delays_no_other(make: Make) -> None:
    broken, good = make(message="", batch={"items": [], "of an older version": 1}), make()
    come(broken, ago_s=5)
    come(good)
    assert tick()["fired"] == 1
    broken.refresh_from_db()
    assert broken.state == "paused"
    assert "could not be started" in broken.paused_because
    assert outcomes(good) == ["started"]


def test_a_schedule_can_be_fired_between_its_times(make: Make) -> None:
    schedule = make()
    due = schedule.due_at
    made = firing.run_now(schedule, SETTINGS)
    schedule.refresh_from_db()
    assert made.run is not None
    assert (schedule.due_at, schedule.times) == (due, 0)
    with pytest.raises(Conflict):
        firing.run_now(schedule, SETTINGS)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"every_s": 60, "cron": "* * * * *"}, "every_s"),
        ({"cron": "nonsense"}, "cron"),
        ({"cron": "0 0 * * *", "timezone": "Mars"}, "timezone"),
        ({"at": datetime(2020, 1, 1, tzinfo=UTC)}, "at"),
        ({"every_s": 3_600, "ends_at": datetime(2020, 1, 1, tzinfo=UTC)}, "every_s"),
    ],
)
def test_a_schedule_that_would_never_fire_is_refused_by_field(make: Make, fields: dict[str, Any], field: str) -> None:
    with pytest.raises(Invalid) as raised:
        make(**fields)
    assert field in raised.value.errors


def test_a_user_has_a_limited_number_of_schedules(user: User) -> None:
    fields = {"name": "s", "message": "m", "every_s": 60}
    lifecycle.make(user, dict(fields), most=1)
    with pytest.raises(TooMany):
        lifecycle.make(user, dict(fields), most=1)


def test_a_changed_schedule_counts_from_now_and_keeps_its_past(make: Make) -> None:
    schedule = make()
    changed = lifecycle.change(schedule, {"cron": "0 7 * * *", "timezone": "Europe/Berlin"})
    assert (changed.kind, changed.every_s) == ("cron", None)
    assert changed.due_at is not None
    assert changed.due_at.astimezone(UTC).minute == 0
    assert lifecycle.change(schedule, {"name": "other"}).cron == "0 7 * * *"


def test_a_schedule_that_has_ended_can_still_be_renamed(make: Make) -> None:
    schedule = make(max_times=1)
    come(schedule)
    tick()
    assert lifecycle.change(schedule, {"name": "other"}).state == "done"
    assert lifecycle.change(schedule, {"max_times": 2}).state == "active"
