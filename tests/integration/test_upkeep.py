"""Jobs run once a slot, do all that is due, and leave a row."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.db.models.functions import Now

from aiops import keyspace
from aiops.conversations.models import Conversation, Run
from aiops.jobs.models import JobRun
from aiops.people import tokens
from aiops.people.models import IdempotencyKey, User
from aiops.upkeep import ledger

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
