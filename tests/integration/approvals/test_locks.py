"""Decisions take locks in the order of ``aiops.locks`` (PostgreSQL)."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import OperationalError, connection

from aiops.approvals import deciding
from aiops.approvals.deciding import Decided, decide
from aiops.approvals.values import Choice
from aiops.conversations import deletion
from aiops.conversations.models import Conversation
from aiops.people.models import User
from aiops.runs.models import Run
from tests.integration.approvals.conftest import RESTART_A, Asker
from tests.integration.scripted_model import words

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.skipif(connection.vendor != "postgresql", reason="only there")
async def test_a_decision_that_is_remembered_and_a_deletion_of_the_conversation_do_not_deadlock(
    ask: Callable[..., Run], sent: list[str], user: User, asker: Asker, script: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    script(RESTART_A, words("Done."))
    run = await asker.of(ask, "restart a")
    await asker.work(run)
    approval, (item,) = await asker.pending(run)
    decided, locked = threading.Event(), threading.Event()
    problems: list[Exception] = []
    record_all = deciding.record_all

    def wait(entries: Any) -> None:
        record_all(entries)
        decided.set()
        locked.wait(5)

    monkeypatch.setattr(deciding, "record_all", wait)
    lock_all = deletion.lock_all

    def then_say(ids: Any) -> Any:
        found = lock_all(ids)
        threading.Timer(0.3, locked.set).start()  # then it waits for the run
        return found

    monkeypatch.setattr(deletion, "lock_all", then_say)

    def act(function: Callable[[], Any]) -> None:
        try:
            function()
        except OperationalError as error:
            problems.append(error)
        finally:
            connection.close()

    def both() -> None:
        one = threading.Thread(
            target=act, args=(lambda: decide(user, approval.pk, [Decided(item.pk, Choice.APPROVE, remember=True)]),)
        )
        one.start()
        decided.wait(5)
        two = threading.Thread(target=act, args=(lambda: deletion.delete(Conversation.objects.all()),))
        two.start()
        one.join(20)
        two.join(20)

    await asker.of(both)
    assert problems == []
