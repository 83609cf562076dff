"""Jobs run once a slot, do all that is due, and leave a row."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.db.models.functions import Now

from aiops import keyspace
from aiops.conversations.models import Conversation, Run
from aiops.jobs import catalogue
from aiops.jobs.models import JobRun
from aiops.people import tokens
from aiops.people.models import IdempotencyKey, User
from aiops.upkeep import ledger
from config import schedule

pytestmark = pytest.mark.django_db
SETTINGS = django_settings.SETTINGS


def test_a_slot_is_worked_once_however_many_beats_ask() -> None:
    entries = [ledger.work("event_streams", settings=SETTINGS, every_s=3_600) for _ in range(3)]
    assert [entry is not None for entry in entries] == [True, False, False]
    row = JobRun.objects.get()
    assert (row.outcome, row.ms is not None) == ("done", True)


def test_a_request_delivered_twice_is_worked_once() -> None:
    assert ledger.work("event_streams", settings=SETTINGS, request_id="a") is not None
    assert ledger.work("event_streams", settings=SETTINGS, request_id="a") is None


def test_a_job_that_breaks_leaves_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(settings: object) -> dict[str, int]:
        raise OSError("no room")

    monkeypatch.setattr("aiops.upkeep.jobs.reaper.work", broken)
    entry = ledger.work("reaper", settings=SETTINGS, every_s=3)
    assert entry is not None
    assert (entry.outcome, entry.summary) == ("failed", {"error": "OSError: no room"})


def test_idle_memory_goes_and_the_row_says_so(ask: Callable[..., Run]) -> None:
    idle, fresh = ask().conversation, ask().conversation
    Run.objects.update(state=Run.State.SUCCEEDED)
    busy = ask().conversation
    Conversation.objects.filter(pk=fresh.pk).update(memory_used_at=Now())
    Conversation.objects.filter(pk__in=[idle.pk, busy.pk]).update(memory_used_at=Now() - timedelta(days=2))
    for one in (idle, fresh):
        keyspace.sync().hset(keyspace.memory(str(one.pk)), "x", "y")
    entry = ledger.work("memory_expiry", settings=SETTINGS, every_s=300)
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
    entry = ledger.work("event_streams", settings=SETTINGS, every_s=300)
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
    entry = ledger.work("tokens_and_sessions", settings=SETTINGS, every_s=300)
    assert entry is not None
    assert (entry.summary["tokens"], entry.summary["idempotency_keys"]) == (1, 1)


JOB = """
from aiops.jobs.catalogue import Job

tidy = Job("tidy_tickets", "Closes tickets that nobody touched.", 120, "extra_jobs:work")
named_like_ours = Job("reaper", "Is not ours.", 120, "extra_jobs:work")
no_job = object()

def work(settings):
    return {"closed": 3}
"""
ENTRY_POINTS = """
[aiops.jobs]
tidy = extra_jobs:tidy
reaper = extra_jobs:named_like_ours
broken = extra_jobs:absent
strange = extra_jobs:no_job
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An installed package that brings a job, one that takes our name, and two that are no jobs."""
    (tmp_path / "extra_jobs.py").write_text(JOB)
    info = tmp_path / "extra_jobs-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: extra-jobs\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(ENTRY_POINTS)
    monkeypatch.syspath_prepend(str(tmp_path))
    catalogue._of_packages.cache_clear()
    yield
    catalogue._of_packages.cache_clear()


def test_an_installed_package_brings_its_job_and_cannot_take_ours(package: None) -> None:
    names = catalogue.names(SETTINGS)
    assert names[-1] == "tidy_tickets"
    assert names.count("reaper") == 1
    assert "tidy_tickets" in schedule.entries(SETTINGS)["every 120 s"]["args"]
    entry = ledger.work("tidy_tickets", settings=SETTINGS, every_s=120)
    assert entry is not None
    assert (entry.outcome, entry.summary) == ("done", {"closed": 3})
    reaper = catalogue.find("reaper", SETTINGS)
    assert reaper is not None
    assert reaper.work == "aiops.upkeep.jobs.reaper:work"


def test_a_job_that_nobody_knows_is_refused() -> None:
    assert ledger.work("no_such_job", settings=SETTINGS, every_s=3) is None
    assert not JobRun.objects.exists()


def test_every_job_of_ours_can_be_loaded() -> None:
    for job in catalogue.catalogue(SETTINGS):
        assert callable(job.load()), job.name


@pytest.mark.parametrize("returned", [None, {"when": timedelta()}, {"text": "nul \0"}])
def test_a_job_that_returns_no_counts_has_failed_and_says_so(monkeypatch: pytest.MonkeyPatch, returned: object) -> None:
    monkeypatch.setattr("aiops.upkeep.jobs.reaper.work", lambda settings: returned)
    entry = ledger.work("reaper", settings=SETTINGS, every_s=3)
    assert entry is not None
    assert (entry.outcome, entry.summary) == ("failed", {"error": "TypeError: A job returns counts by name."})
