"""What is kept no longer goes, in small steps, and nothing else does."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.conf import settings as django_settings
from django.contrib.sessions.models import Session
from django.db import IntegrityError, connection
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from aiops import keyspace
from aiops.batches.models import Batch
from aiops.conversations import memories
from aiops.conversations.models import Conversation, Message
from aiops.people import jobs as tokens_and_sessions
from aiops.people.models import ApiToken, User
from aiops.retention import pruning, rules
from aiops.retention.pruning import Pruned
from aiops.retention.rules import Rule
from aiops.runs.models import Run
from aiops.schedules.models import Firing, Schedule

pytestmark = pytest.mark.django_db
SETTINGS = django_settings.SETTINGS
Ask = Callable[..., Run]


def keep(**days: int) -> Any:
    return SETTINGS.model_copy(update={"retention": {name.replace("__", "."): n for name, n in days.items()}})


def end(run: Run, *, state: str, days_ago: int) -> None:
    at = Now() - timedelta(days=days_ago)
    Run.objects.filter(pk=run.pk).update(state=state, finished_at=at, queued_at=at)
    Conversation.objects.filter(pk=run.conversation_id).update(updated_at=at)


def test_a_rule_for_one_state_wins_over_the_one_for_all() -> None:
    named = {rule.name: rule.days for rule in rules.rules(keep(runs=365, runs__failed=30, conversations=700))}
    assert named == {
        "runs.succeeded": 365,
        "runs.failed": 30,
        "runs.cancelled": 365,
        "runs.expired": 365,
        "conversations": 700,
    }


def test_old_turns_go_with_question_answer_and_an_empty_conversation(ask: Ask) -> None:
    old, young, running = ask(), ask(), ask()
    end(old, state="succeeded", days_ago=40)
    end(young, state="succeeded", days_ago=20)
    Message.objects.create(conversation=old.conversation, pk=old.answer_id, position=2, role="assistant", text="a")
    keyspace.sync().hset(keyspace.memory(str(old.conversation_id)), "x", "y")
    assert Rule(rules.kinds()["runs"], "succeeded", 30).due().count() == 1
    done = pruning.remove_old(keep(runs=30))
    assert done["runs.succeeded"] == 1
    assert set(Run.objects.values_list("pk", flat=True)) == {young.pk, running.pk}
    assert not Conversation.objects.filter(pk=old.conversation_id).exists()
    assert not Message.objects.filter(conversation=old.conversation_id).exists()
    assert not keyspace.sync().exists(keyspace.memory(str(old.conversation_id)))


def test_a_conversation_of_which_something_is_left_stays(ask: Ask) -> None:
    first = ask()
    end(first, state="failed", days_ago=40)
    second = ask(conversation=first.conversation_id)
    pruning.prune(Rule(rules.kinds()["runs"], "failed", 30), for_s=5)
    assert list(Run.objects.values_list("pk", flat=True)) == [second.pk]
    assert list(Message.objects.values_list("pk", flat=True)) == [second.message_id]


def test_idle_conversations_go_whole_and_busy_ones_stay(ask: Ask) -> None:
    idle, busy = ask(), ask()
    end(idle, state="succeeded", days_ago=400)
    Conversation.objects.filter(pk=busy.conversation_id).update(updated_at=Now() - timedelta(days=400))
    assert pruning.remove_old(keep(conversations=365))["conversations"] == 1
    assert list(Conversation.objects.values_list("pk", flat=True)) == [busy.conversation_id]


def test_ended_batches_are_hidden_for_their_own_job_and_firings_go(user: User) -> None:
    common = {"user": user, "format": "jsonl", "max_concurrency": 1, "completion_window_s": 60}
    ended_at = Now() - timedelta(days=100)
    old = Batch.objects.create(state="completed", ended_at=ended_at, **common)
    Batch.objects.create(state="failed", ended_at=ended_at, **common)
    Batch.objects.create(state="in_progress", **common)
    schedule = Schedule.objects.create(user=user, name="s", kind="interval", every_s=60, message="m")
    for days, outcome in ((100, "succeeded"), (101, "started"), (1, "succeeded")):
        at = Now() - timedelta(days=days)
        Firing.objects.create(schedule=schedule, due_at=at, fired_at=at, outcome=outcome)
    done = pruning.remove_old(keep(batches__completed=90, firings=90))
    assert (done["batches.completed"], done["firings"]) == (1, 1)
    assert list(Batch.objects.filter(deleted_at__isnull=False).values_list("pk", flat=True)) == [old.pk]
    assert Firing.objects.count() == 2


def test_retention_removes_rows_in_steps_until_its_time_is_over(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pruning, "FIRST", 2)
    for _ in range(5):
        end(ask(), state="succeeded", days_ago=40)
    rule = Rule(rules.kinds()["runs"], "succeeded", 30)
    assert pruning.prune(rule, for_s=0) == Pruned()
    assert pruning.step(rule, Pruned(), size=2) == 2
    assert pruning.prune(rule, for_s=5) == Pruned(removed=3)
    assert Run.objects.count() == 0


@pytest.mark.django_db(transaction=True)
def test_a_conversation_that_cannot_be_removed_keeps_no_other(ask: Ask) -> None:
    """Such as one to which the table of an installed package refers."""
    held, *others = [ask() for _ in range(5)]
    for run in (held, *others):
        end(run, state="succeeded", days_ago=400)
    key = "uuid" if connection.vendor == "postgresql" else "char(32)"
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE TABLE extension (id {key} REFERENCES conversations_conversation (id))")
        try:
            pk = held.conversation_id if connection.vendor == "postgresql" else held.conversation_id.hex
            cursor.execute("INSERT INTO extension VALUES (%s)", [pk])
            done = pruning.remove_old(keep(conversations=365))
        finally:
            cursor.execute("DROP TABLE extension")
    assert (done["conversations"], done["failed"]) == (4, 1)
    assert list(Conversation.objects.values_list("pk", flat=True)) == [held.conversation_id]


@pytest.mark.django_db(transaction=True)
def test_tokens_that_cannot_be_removed_do_not_stop_other_kinds(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    class Referenced(QuerySet[ApiToken]):
        def delete(self) -> tuple[int, dict[str, int]]:
            raise IntegrityError("a table of an installed package refers to it")

    monkeypatch.setitem(tokens_and_sessions.EXPIRED, "tokens", Referenced(ApiToken))
    Session.objects.create(session_key="old", session_data="", expire_date=timezone.now() - timedelta(days=1))
    done = tokens_and_sessions.remove_expired(SETTINGS)
    assert (done["failed"], done["sessions"]) == (1, 1)


def test_memory_that_no_conversation_has_is_removed(ask: Ask, empty_redis: None) -> None:
    kept = str(ask().conversation_id)
    for one in (kept, str(uuid4()), "nonsense"):
        keyspace.sync().hset(keyspace.memory(one), "x", "y")
    keyspace.sync().hset(keyspace.MEMORY_PATTERN.replace("*", "").encode() + b"\xff", "x", "y")
    assert memories.forget_orphans() == 3
    assert keyspace.sync().keys(keyspace.MEMORY_PATTERN) == [keyspace.memory(kept).encode()]
