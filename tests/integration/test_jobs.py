"""Jobs run once a slot, do all that is due, and leave a row."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.db.models.functions import Now

from aiops import keyspace
from aiops.apps import Job, features, load
from aiops.conversations.models import Conversation
from aiops.maintenance import catalogue, ledger
from aiops.maintenance.models import JobRun
from aiops.people import tokens
from aiops.people.models import IdempotencyKey, User
from aiops.runs.models import Run
from aiops.runs.states import State
from aiops.web import health
from config import beat
from tests.acceptance.system import eventually
from workers import outbound, upkeep

pytestmark = pytest.mark.django_db
SETTINGS = django_settings.SETTINGS


def test_a_slot_is_worked_once_however_many_beats_ask() -> None:
    entries = [ledger.run_job("event_streams", settings=SETTINGS, every_s=3_600) for _ in range(3)]
    assert [entry is not None for entry in entries] == [True, False, False]
    row = JobRun.objects.get()
    assert (row.outcome, row.ms is not None) == ("done", True)


def test_a_request_delivered_twice_is_worked_once() -> None:
    assert ledger.run_job("event_streams", settings=SETTINGS, request_id="a") is not None
    assert ledger.run_job("event_streams", settings=SETTINGS, request_id="a") is None


def test_a_job_that_breaks_leaves_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(settings: object) -> dict[str, int]:
        raise OSError("no room")

    monkeypatch.setattr("aiops.runs.reaper.reap", broken)
    entry = ledger.run_job("reaper", settings=SETTINGS, every_s=3)
    assert entry is not None
    assert (entry.outcome, entry.summary) == ("failed", {"error": "OSError: no room"})


def test_idle_memory_goes_and_the_row_says_so(ask: Callable[..., Run]) -> None:
    idle, fresh = ask().conversation, ask().conversation
    Run.objects.update(state=State.SUCCEEDED)
    busy = ask().conversation
    Conversation.objects.filter(pk=fresh.pk).update(memory_used_at=Now())
    Conversation.objects.filter(pk__in=[idle.pk, busy.pk]).update(memory_used_at=Now() - timedelta(days=2))
    for one in (idle, fresh):
        keyspace.sync().hset(keyspace.memory(str(one.pk)), "x", "y")
    entry = ledger.run_job("memory_expiry", settings=SETTINGS, every_s=300)
    assert entry is not None
    assert entry.summary == {"memories_removed": 1, "lives_set": 1}
    assert not keyspace.sync().exists(keyspace.memory(str(idle.pk)))
    busy.refresh_from_db()
    assert busy.memory_used_at is not None
    assert 0 < keyspace.sync().ttl(keyspace.memory(str(fresh.pk))) <= 86_430
    idle.refresh_from_db()
    assert idle.memory_used_at is None


def test_a_stream_without_an_end_is_given_one() -> None:
    keyspace.sync().xadd(keyspace.events("x"), {"e": "1"})
    entry = ledger.run_job("event_streams", settings=SETTINGS, every_s=300)
    assert entry is not None
    assert entry.summary == {"streams": 1, "lives_set": 1}
    assert keyspace.sync().ttl(keyspace.events("x")) > 0


def test_a_token_is_found_without_writing_more_than_once_a_minute(
    user: User, django_assert_num_queries: Callable[..., Any]
) -> None:
    _, text = tokens.issue(user, name="x")
    with django_assert_num_queries(2):
        assert tokens.find(text) is not None
    with django_assert_num_queries(1):
        assert tokens.find(text) is not None


def test_expired_tokens_and_keys_go(user: User) -> None:
    old, _ = tokens.issue(user, name="old")
    tokens.issue(user, name="new")
    type(old).objects.filter(pk=old.pk).update(expires_at=Now() - timedelta(days=1))
    IdempotencyKey.objects.create(user=user, key="k", fingerprint="f", created_at=Now() - timedelta(days=2))
    entry = ledger.run_job("tokens_and_sessions", settings=SETTINGS, every_s=300)
    assert entry is not None
    assert (entry.summary["tokens"], entry.summary["idempotency_keys"]) == (1, 1)


def close_tickets(settings: object) -> dict[str, int]:
    return {"closed": 3}


class Extra:
    """A feature of an installed package: one job, one that takes our name, and two that cannot be used."""

    name = "extra"
    jobs = (
        Job("tidy_tickets", "Closes tickets that nobody touched.", f"{__name__}:close_tickets", 120),
        Job("reaper", "Is not ours.", f"{__name__}:close_tickets", 120),
        Job("Not a name", "Has a name with spaces.", f"{__name__}:close_tickets", 120),
        Job("nowhere", "Leads nowhere.", "close_tickets", 120),
    )


@pytest.fixture
def package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue, "features", lambda: [*features(), Extra])


def test_an_installed_package_brings_its_job_and_cannot_take_ours(package: None) -> None:
    names = catalogue.names(SETTINGS)
    assert "tidy_tickets" in names
    assert not {"Not a name", "nowhere"} & set(names)
    assert names.count("reaper") == 1
    assert "tidy_tickets" in beat.entries(SETTINGS)["every 120 s, outbound"]["args"]
    entry = ledger.run_job("tidy_tickets", settings=SETTINGS, every_s=120)
    assert entry is not None
    assert (entry.outcome, entry.summary) == ("done", {"closed": 3})
    reaper = catalogue.find("reaper", SETTINGS)
    assert reaper is not None
    assert reaper.run == "aiops.runs.reaper:reap"


def test_a_job_that_nobody_knows_is_refused() -> None:
    assert ledger.run_job("no_such_job", settings=SETTINGS, every_s=3) is None
    assert not JobRun.objects.exists()


def test_every_job_of_ours_can_be_loaded() -> None:
    for job in catalogue.catalogue(SETTINGS):
        assert callable(load(job.run)), job.name


@pytest.mark.parametrize("returned", [None, {"when": timedelta()}, {"text": "nul \0"}])
def test_a_job_that_returns_no_counts_has_failed_and_says_so(monkeypatch: pytest.MonkeyPatch, returned: object) -> None:
    monkeypatch.setattr("aiops.runs.reaper.reap", lambda settings: returned)
    entry = ledger.run_job("reaper", settings=SETTINGS, every_s=3)
    assert entry is not None
    assert (entry.outcome, entry.summary) == ("failed", {"error": "TypeError: A job must return numbers by name."})


def test_jobs_that_wait_for_others_share_no_task_with_the_reaper_and_the_schedules() -> None:
    entries = [set(entry["args"]) for entry in beat.entries(SETTINGS).values()]
    outbound = {job.name for job in catalogue.catalogue(SETTINGS) if job.outbound}
    assert {"webhooks", "tool_servers"} <= outbound
    assert not outbound & {"reaper", "schedules", "batches"}
    assert all(jobs <= outbound or not jobs & outbound for jobs in entries)


@pytest.fixture
def endless(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, threading.Event]]:
    """The webhooks job waits until its test lets it go on."""
    events = {"begun": threading.Event(), "let_go": threading.Event()}

    def work(settings: object) -> dict[str, int]:
        events["begun"].set()
        assert events["let_go"].wait(60)
        return {"done": 1}

    monkeypatch.setattr("aiops.webhooks.delivering.deliver", work)
    yield events
    events["let_go"].set()
    eventually(lambda: not outbound.running(), within_s=60)


def done(job: str) -> int:
    return JobRun.objects.filter(job=job, outcome="done").count()


@pytest.mark.django_db(transaction=True)
def test_a_job_that_hangs_outside_holds_up_neither_the_task_nor_the_jobs_after_it(
    endless: dict[str, threading.Event],
) -> None:
    for n in range(5):
        upkeep.run_jobs("webhooks", every_s=0.000_1 * (n + 1))
    assert endless["begun"].wait(30)
    upkeep.run_jobs("reaper", every_s=3)
    assert (outbound.running(), done("reaper"), done("webhooks")) == (["webhooks"], 1, 0)


@pytest.mark.django_db(transaction=True)
def test_a_job_requested_while_it_runs_follows_and_its_ticks_are_skipped(
    endless: dict[str, threading.Event],
) -> None:
    upkeep.run_jobs("webhooks", every_s=3)
    assert endless["begun"].wait(30)
    upkeep.run_jobs("webhooks", every_s=0.5)
    upkeep.run_jobs("webhooks", request_id="a")
    endless["let_go"].set()
    eventually(lambda: done("webhooks") == 2, within_s=60)
    assert set(JobRun.objects.filter(job="webhooks").values_list("slot", flat=True)) >= {"request:a"}


def test_readiness_names_a_queue_of_jobs_that_does_not_move(monkeypatch: pytest.MonkeyPatch) -> None:
    old = Now() - timedelta(seconds=health.STALLED_S + 10)
    JobRun.objects.create(job="reaper", slot="1", outcome="done", started_at=old)
    monkeypatch.setattr(health, "_started", time.monotonic())
    assert "upkeep" not in health.check()[1], "this process has only just begun"
    monkeypatch.setattr(health, "_started", time.monotonic() - 3_600)
    assert "upkeep" in health.check()[1]
    stuck = JobRun.objects.create(job="reaper", slot="2", outcome="running")
    assert "upkeep" in health.check()[1], "a job that has begun and does not end is no movement"
    JobRun.objects.filter(pk=stuck.pk).update(outcome="done")
    assert "upkeep" not in health.check()[1]
