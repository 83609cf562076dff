"""One schedule, however broken, harms only itself; a long line of due ones is no lateness; no change is lost.

More than 250 lines: each kind of broken schedule needs its own set-up.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.db import DataError, IntegrityError, OperationalError, connection, transaction
from django.db.models.functions import Now
from django.test import Client

from aiops import database
from aiops.batches.models import Batch
from aiops.maintenance.models import JobRun
from aiops.people import tokens
from aiops.people.models import User
from aiops.runs.models import Run
from aiops.schedules import firing, lifecycle, settling
from aiops.schedules.models import Firing, Schedule
from tests.integration.test_schedules import Make, come, end, make, outcomes, queue, tick

__all__ = ["make", "queue"]
pytestmark = pytest.mark.django_db
SETTINGS = django_settings.SETTINGS
Call = Callable[..., Any]


@pytest.fixture
def call(user: User) -> Call:
    """Calls the API as the user; returns (status, JSON)."""
    _, text = tokens.issue(user, name="t")

    def send(method: str, path: str, body: Any = None) -> tuple[int, Any]:
        options = {"data": body, "content_type": "application/json"} if body is not None else {}
        answer = getattr(Client(), method)(path, headers={"Authorization": f"Bearer {text}"}, **options)
        return answer.status_code, answer.json() if answer.content else None

    return send


def test_a_time_that_fired_before_the_clock_was_set_back_is_passed_over_and_the_others_fire(make: Make) -> None:
    twice, other = make(), make()
    for one in (twice, other):
        come(one)
    twice.refresh_from_db()
    assert twice.due_at is not None
    Firing.objects.create(schedule=twice, due_at=twice.due_at, outcome="succeeded")
    assert tick() == {"fired": 1, "settled": 0, "broken": 0}
    twice.refresh_from_db()
    assert twice.due_at > database.now()
    assert (outcomes(twice), outcomes(other)) == (["succeeded"], ["started"])


@pytest.mark.parametrize("error", [DataError("bad text"), IntegrityError("gone")])
def test_a_schedule_that_the_database_refuses_is_marked_and_the_others_fire(
    make: Make, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    broken, other = make(max_failures=2), make()
    start = firing._start

    def refuse(schedule: Schedule, *rest: Any) -> None:
        if schedule.pk == broken.pk:
            raise error
        start(schedule, *rest)

    monkeypatch.setattr(firing, "_start", refuse)
    for n in range(2):
        come(broken, ago_s=10 - n)
        come(other, ago_s=1)
        assert tick()["broken"] == 1
        end("succeeded")
    broken.refresh_from_db()
    assert outcomes(broken) == ["failed", "failed"]
    assert broken.paused_because == (
        f"It failed 2 times in a row; the last time: It could not be started ({type(error).__name__})."
    )
    assert outcomes(other) == ["succeeded", "started"]


def test_a_deadlock_postpones_one_schedule_to_the_next_tick(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    unlucky, other = make(), make()
    for one in (unlucky, other):
        come(one)
    fire = firing._fire

    def deadlocked(pk: Any, settings: Any) -> bool:
        if pk == unlucky.pk:
            raise OperationalError("deadlock detected")
        return fire(pk, settings)

    with monkeypatch.context() as patch:
        patch.setattr(firing, "_fire", deadlocked)
        assert tick() == {"fired": 1, "settled": 0, "broken": 0}
    assert tick()["fired"] == 1
    assert outcomes(unlucky) == ["started"]


def test_an_end_that_cannot_be_read_is_marked_and_the_others_are_settled(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = make(), make()
    for one in (first, second):
        come(one)
    tick()
    end("succeeded")
    read = settling._outcome

    def broken(one: Firing) -> tuple[str, str]:
        if one.schedule_id == first.pk:
            raise KeyError("state")
        return read(one)

    monkeypatch.setattr(settling, "_outcome", broken)
    assert tick()["settled"] == 2
    assert (outcomes(first), outcomes(second)) == (["failed"], ["succeeded"])


def test_all_that_is_due_fires_in_one_tick_and_none_is_missed_for_waiting_in_line(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(firing, "MOST_AT_ONCE", 2)
    schedules = [make() for _ in range(7)]
    for one in schedules:
        come(one, ago_s=600)
    for ago_s in range(8, 600, 10):
        started_at = Now() - timedelta(seconds=ago_s)
        JobRun.objects.create(job="schedules", slot=str(ago_s), outcome="done", started_at=started_at)
    assert tick()["fired"] == 7
    assert {outcome for one in schedules for outcome in outcomes(one)} == {"started"}


def test_a_time_of_a_schedule_that_no_tick_saw_is_missed(make: Make) -> None:
    schedule = make()
    come(schedule, ago_s=600)
    JobRun.objects.create(job="schedules", slot="0", outcome="done", started_at=Now() - timedelta(seconds=700))
    JobRun.objects.create(job="schedules", slot="1", outcome="failed", started_at=Now() - timedelta(seconds=599))
    JobRun.objects.create(job="schedules", slot="2", outcome="running", started_at=Now())
    tick()
    assert outcomes(schedule) == ["missed"]


def test_a_rare_tick_makes_no_ordinary_time_of_a_schedule_missed(make: Make) -> None:
    schedule = make()
    come(schedule, ago_s=110)
    firing.tick(SETTINGS.model_copy(update={"reaper_s": 120.0}))
    assert outcomes(schedule) == ["started"]


def test_a_batch_of_another_version_fires_when_it_can(make: Make, queue: list[str]) -> None:
    plan = {
        "name": "b", "format": "jsonl", "policy": "skip_invalid", "template": "", "response_schema": None,
        "defaults": {}, "max_concurrency": 1, "completion_window_s": 60,
    }  # fmt: skip
    schedule = make(message="", batch={"items": [{"prompt": "hello"}], "renamed_since": 1, **plan})
    come(schedule)
    assert tick()["fired"] == 1
    assert (outcomes(schedule), Batch.objects.get().policy) == (["started"], "skip_invalid")


@pytest.mark.django_db(transaction=True)
def test_two_changes_of_options_at_once_are_both_kept(make: Make) -> None:
    schedule = make(options={"read_only": True})
    ready = threading.Barrier(2)

    def change(options: dict[str, Any]) -> None:
        ready.wait(30)
        try:
            lifecycle.change(stale, {}, options=options)
        finally:
            connection.close()

    stale = Schedule.objects.get(pk=schedule.pk)
    threads = [threading.Thread(target=change, args=(one,)) for one in ({"temperature": 1.0}, {"read_only": False})]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    schedule.refresh_from_db()
    assert schedule.options == {"read_only": False, "temperature": 1.0}


@pytest.mark.django_db(transaction=True)
def test_two_requests_at_once_that_change_different_options_are_both_kept(
    make: Make, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    schedule = make(options={"read_only": True})
    change, both_have_read = lifecycle.change, threading.Barrier(2)

    def change_when_both_have_read(*args: Any, **options: Any) -> Schedule:
        both_have_read.wait(60)
        return change(*args, **options)

    def send(body: dict[str, Any]) -> tuple[int, Any]:
        try:
            return call("patch", f"/api/schedules/{schedule.pk}/", body)
        finally:
            connection.close()

    monkeypatch.setattr(lifecycle, "change", change_when_both_have_read)
    with ThreadPoolExecutor(2) as threads:
        answers = list(threads.map(send, ({"allow_changes": True}, {"temperature": 1.0})))
    assert [status for status, _ in answers] == [200, 200], answers
    schedule.refresh_from_db()
    assert schedule.options == {"read_only": False, "temperature": 1.0}


@pytest.mark.django_db(transaction=True)
def test_a_schedule_is_deleted_while_it_fires(make: Make, user: User) -> None:
    for _ in range(10):
        schedule = make()
        come(schedule)
        problems: list[BaseException] = []
        ready = threading.Barrier(2)

        def run(work: Callable[[], object], problems: list[BaseException], ready: threading.Barrier) -> None:
            ready.wait(30)
            try:
                work()
            except Exception as error:
                problems.append(error)
            finally:
                connection.close()

        works: list[Callable[[], object]] = [tick, lambda schedule=schedule: lifecycle.remove(schedule)]  # type: ignore[misc]
        threads = [threading.Thread(target=run, args=(work, problems, ready)) for work in works]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert not problems
        assert not Schedule.objects.filter(pk=schedule.pk).exists()
        end("succeeded")
    assert Run.objects.filter(user=user).count() <= 10


NAMES = {"name": "s", "message": "hello"}


@pytest.mark.parametrize("times", [{"every_s": 3_600}, {"at": "2100-01-01T00:00:00Z"}, {"cron": "0 7 * * *"}])
@pytest.mark.parametrize("zone", ["Mars/Foo", "../../etc/passwd", "right/Europe/Berlin", "Europe"])
def test_a_zone_that_does_not_exist_is_refused_for_every_kind(call: Call, times: dict[str, Any], zone: str) -> None:
    status, problem = call("post", "/api/schedules/", {**NAMES, **times, "timezone": zone})
    assert (status, list(problem["errors"])) == (400, ["timezone"])


def test_a_row_with_a_zone_that_this_machine_lacks_breaks_neither_list_nor_page(make: Make, call: Call) -> None:
    schedule, _ = make(), make()
    Schedule.objects.filter(pk=schedule.pk).update(timezone="Mars/Foo", kind="cron", every_s=None, cron="0 7 * * *")
    assert call("get", "/api/schedules/")[0] == 200
    browser = Client()
    browser.force_login(schedule.user)
    assert browser.get("/schedules/").status_code == 200
    assert browser.get(f"/schedules/{schedule.pk}/").status_code == 200
    come(schedule)
    tick()
    schedule.refresh_from_db()
    assert schedule.state == "paused"


@pytest.mark.parametrize("nothing", ["", None])
def test_a_webhook_is_taken_off_a_schedule(call: Call, nothing: str | None) -> None:
    made = call("post", "/api/schedules/", {**NAMES, "every_s": 60, "webhook": "https://example.org/hook"})[1]
    assert made["webhook"] == "https://example.org/hook"
    assert call("patch", made["links"]["self"], {"webhook": nothing})[1]["webhook"] == ""


@pytest.mark.parametrize("item", [{"nothing": 1}, {"prompt": " "}, {"prompt": "a", "model": 1}])
def test_an_item_that_no_firing_could_run_is_refused(call: Call, item: dict[str, Any]) -> None:
    body = {"name": "s", "every_s": 3_600, "batch": {"items": [{"prompt": "good"}, item]}}
    status, problem = call("post", "/api/schedules/", body)
    assert status == 400
    assert problem["errors"]["batch"][0].startswith("Item 2: ")


@pytest.mark.parametrize(
    ("times", "most"), [({"every_s": 60}, 59), ({"every_s": 60, "jitter_s": 59}, None), ({"cron": "0,5 7 * * *"}, 299)]
)
def test_jitter_stays_below_the_shortest_gap(call: Call, times: dict[str, Any], most: int | None) -> None:
    status, answer = call("post", "/api/schedules/", {**NAMES, "jitter_s": 86_400, **times})
    if most is None:
        assert status == 201
    else:
        assert (status, answer["errors"]["jitter_s"][0].split(":")[0]) == (400, f"At most {most} s")


def test_a_changed_schedule_is_due_by_the_databases_clock(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    schedule = make()
    ahead = time.time() + 7_200
    monkeypatch.setattr(database, "now_s", lambda: ahead)
    with transaction.atomic():
        changed = lifecycle.change(schedule, {"every_s": 60})
    assert changed.due_at is not None
    assert changed.due_at.timestamp() > ahead
