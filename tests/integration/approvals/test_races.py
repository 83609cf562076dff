"""Two who act at once: one decision counts, and never both a decision and something else."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.db import connection
from django.db.models.functions import Now

from aiops.approvals import expiring
from aiops.approvals.deciding import Decided, decide
from aiops.approvals.models import Approval
from aiops.approvals.values import Choice
from aiops.errors import AiopsError
from aiops.people.models import User
from aiops.runs import transitions
from aiops.runs.models import Run
from aiops.runs.states import State
from tests.integration.approvals.conftest import RESTART_A, Asker
from tests.integration.scripted_model import words

pytestmark = pytest.mark.django_db(transaction=True)
SETTINGS = django_settings.SETTINGS
Script = Callable[..., Any]


@pytest.fixture
def run(ask: Callable[..., Run], sent: list[str]) -> Run:
    return ask("restart a")


def is_due(run: Run) -> None:
    Approval.objects.filter(run=run).update(expires_at=Now() - timedelta(seconds=1))


def _race(*acts: Callable[[], Any]) -> list[Any]:
    """Call these at once, each in a thread with a connection of its own; return what each gave or raised."""
    together = threading.Barrier(len(acts))

    def one(act: Callable[[], Any]) -> Any:
        together.wait(10)
        try:
            return act()
        except AiopsError as error:
            return error
        finally:
            connection.close()

    with ThreadPoolExecutor(len(acts)) as threads:
        return list(threads.map(one, acts))


async def test_of_two_decisions_at_once_one_counts_and_the_other_is_a_conflict(
    run: Run, user: User, asker: Asker, script: Script
) -> None:
    script(RESTART_A, words("Done."))
    await asker.work(run)
    approval, (item,) = await asker.pending(run)
    acts = [
        lambda choice=choice: decide(user, approval.pk, [Decided(item.pk, choice)])
        for choice in (Choice.APPROVE, Choice.REJECT)
    ]
    outcomes = await asker.of(_race, *acts)
    codes = [getattr(one, "code", "decided") for one in outcomes]
    assert sorted(codes) == ["already_decided", "decided"]
    await asker.of(item.refresh_from_db)
    assert item.state == ("approved" if codes[0] == "decided" else "rejected")
    ended = await asker.work(run)
    assert len(asker.tools.made) == (1 if codes[0] == "decided" else 0)
    assert ended.state == State.SUCCEEDED


@pytest.mark.parametrize("other", ["expiry", "cancel"])
async def test_a_decision_against_expiry_or_cancel_ends_in_one_of_them_and_never_in_both(
    run: Run, user: User, asker: Asker, script: Script, other: str
) -> None:
    script(RESTART_A, words("Done."))
    await asker.work(run)
    approval, (item,) = await asker.pending(run)
    await asker.of(is_due, run)
    rival = {
        "expiry": lambda: expiring.expire(SETTINGS),
        "cancel": lambda: transitions.request_cancel([run.pk]),
    }[other]
    await asker.of(_race, lambda: decide(user, approval.pk, [Decided(item.pk, Choice.APPROVE)]), rival)
    await asker.of(approval.refresh_from_db)
    await asker.of(item.refresh_from_db)
    now = await asker.of(Run.objects.get, pk=run.pk)
    if other == "expiry":
        assert (approval.state, item.state) in [("decided", "approved"), ("expired", "expired")]
        assert now.state == State.QUEUED
        await asker.work(run)
        assert len(asker.tools.made) == (approval.state == "decided")
    else:
        assert now.state == State.CANCELLED
        assert (approval.state, item.state) in [("closed", "closed"), ("decided", "closed")]
