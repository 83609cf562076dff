"""People, questions and runs made straight in the rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from django.core.management.commands import flush
from django.db import transaction

from aiops import dispatch, keyspace
from aiops.approvals import policies
from aiops.approvals.models import ApprovalPolicy
from aiops.llm import snapshot
from aiops.maintenance import clock
from aiops.people.models import User
from aiops.runs import reaper, transitions
from aiops.runs.accept import NewMessage, accept
from aiops.runs.models import Run
from aiops.runs.options import RunOptions
from tests.integration import flushing
from tests.integration.flushing import PostMigrate
from tests.integration.receivers import Receiver

Ask = Callable[..., Run]


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A recording dispatch: the ids that were put on the queue."""
    ids: list[str] = []
    monkeypatch.setattr(dispatch, "run", lambda run_id, **_: ids.append(str(run_id)) or True)
    return ids


@pytest.fixture
def user(db: None) -> User:
    return User.objects.create_user("ann", password="correct-horse-battery")


@pytest.fixture
def ask(user: User) -> Ask:
    def make(text: str = "hello", conversation: object = None, **asked: object) -> Run:
        new = NewMessage(
            text,
            RunOptions(deadline_s=120),
            conversation_id=conversation,
            on_busy=asked.get("on_busy", "enqueue"),
            webhook=asked.get("webhook", ""),
        )
        with transaction.atomic():
            accepted = accept(asked.get("user", user), new, max_queued=50)
        if not accepted.ahead:
            transitions.mark_sent(str(accepted.run.pk), sent=True)
        return accepted.run

    return make


@pytest.fixture(scope="session", autouse=True)
def rows_of_migrations() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(flush, "emit_post_migrate_signal", PostMigrate())
        patch.setattr(flush, "sql_flush", flushing.statements)
        yield


@pytest.fixture(autouse=True)
def empty_redis() -> None:
    keyspace.sync().flushall()


@pytest.fixture(autouse=True)
def fresh_models() -> None:
    """No models of another test: both may have the same version of the tables."""
    snapshot._held = None


@pytest.fixture(autouse=True)
def fresh_policies() -> None:
    """No policies of another test: they are kept for half a second."""
    policies._held.clear()


@pytest.fixture
def writes_allowed(db: None) -> None:
    """A policy that lets attended runs call tools that write without asking."""
    ApprovalPolicy.objects.create(position=1, tool_class="write", outcome="auto")


@pytest.fixture(autouse=True)
def fresh_reaper() -> None:
    """What the reaper remembers of its last look, in a process that has had none."""
    for remembered in (clock._last_offset_s, reaper._paused_until, reaper._suspected):
        remembered.clear()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.server.shutdown()
    made.server.server_close()
