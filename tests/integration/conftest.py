"""People, questions and runs made straight in the rows."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.db import transaction

from aiops import dispatch, keyspace
from aiops.conversations.acceptance import Question, accept
from aiops.conversations.models import Run
from aiops.people.models import User
from aiops.upkeep import clock
from aiops.upkeep.jobs import reaper

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
    def make(text: str = "hello", conversation: object = None, **options: object) -> Run:
        with transaction.atomic():
            return accept(
                options.pop("user", user), Question(text, conversation_id=conversation, **options), max_queued=50
            ).run

    return make


@pytest.fixture(autouse=True)
def empty_redis() -> None:
    keyspace.sync().flushall()


@pytest.fixture(autouse=True)
def fresh_reaper() -> None:
    """What the reaper remembers of its last look, in a process that has had none."""
    for remembered in (clock._last, reaper._rest_until, reaper._suspected):
        remembered.clear()
