"""Calls in which a worker died, and workers that come too late: what was done is used, and nothing is done twice."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.db.models.functions import Now

from aiops.approvals import expiring
from aiops.approvals.models import Approval, ApprovalItem
from aiops.approvals.values import Choice
from aiops.batches import lifecycle as batches
from aiops.llm.environment import OFFLINE_MODEL
from aiops.people.models import User
from aiops.runs import transitions
from aiops.runs.models import Run
from aiops.runs.states import State
from aiops.runs.work import rows
from tests.integration.approvals.conftest import RESTART_A, Asker, Died, die, lose_lease
from tests.integration.scripted_model import words
from tests.models import only

pytestmark = pytest.mark.django_db(transaction=True)
SETTINGS = django_settings.SETTINGS
Script = Callable[..., Any]


@pytest.fixture
def run(ask: Callable[..., Run], sent: list[str]) -> Run:
    return ask("restart a")


async def test_a_worker_that_has_lost_its_claim_does_not_mark_the_call_of_the_next_one_as_unknown(
    run: Run, user: User, asker: Asker, script: Script
) -> None:
    script(RESTART_A, words("Done."))
    await asker.work(run)
    await asker.decide(user, run, "approve")
    slow = await asker.of(transitions.claim, str(run.pk), worker="slow", lease_s=60)
    await asker.of(lose_lease, run)

    async def wakes_up() -> None:
        await asker.of(rows.assignment, slow, batches.schema_of, only(OFFLINE_MODEL))

    asker.tools.fail = wakes_up
    ended = await asker.work(run)
    assert ended.state == State.SUCCEEDED
    item = await asker.of(ApprovalItem.objects.get)
    assert item.state == "executed"


async def test_a_repeat_that_was_made_is_not_lost_with_memory(
    run: Run, user: User, asker: Asker, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    script(RESTART_A, words("Done."))
    await asker.work(run)
    await asker.decide(user, run, "approve")
    asker.tools.fail = die
    with pytest.raises(Died):
        await asker.work(run)
    asker.tools.fail = lambda: None
    await asker.of(lose_lease, run)
    assert (await asker.work(run)).state == State.WAITING_APPROVAL
    await asker.decide(user, run, "approve")
    with monkeypatch.context() as patch:  # dies right after the row has the result
        from aiops.runs.work.recorder import Recorder

        finished = Recorder.tool_finished

        async def then_die(self: Any, *args: Any, **options: Any) -> None:
            await finished(self, *args, **options)
            raise Died

        patch.setattr(Recorder, "tool_finished", then_die)
        with pytest.raises(Died):
            await asker.work(run)
    assert len(asker.tools.made) == 2
    await asker.of(lose_lease, run)
    ended = await asker.work(run)
    assert len(asker.tools.made) == 2
    assert ended.state == State.SUCCEEDED


async def test_when_nobody_says_what_happened_the_model_is_not_told_that_the_call_was_not_made(
    run: Run, user: User, asker: Asker, script: Script
) -> None:
    script(RESTART_A, words("Hm."))
    await asker.work(run)
    await asker.decide(user, run, "approve")
    asker.tools.fail = die
    with pytest.raises(Died):
        await asker.work(run)
    asker.tools.fail = lambda: None
    await asker.of(lose_lease, run)
    assert (await asker.work(run)).state == State.WAITING_APPROVAL
    assert len(asker.tools.made) == 1, "it was begun, and perhaps has taken effect"
    await asker.of(Approval.objects.filter(run=run, state="pending").update, expires_at=Now() - timedelta(seconds=1))
    await asker.of(expiring.expire, SETTINGS)
    ended = await asker.work(run)
    assert "was not made" not in ended.steps[0]["preview"]


async def test_a_repeat_that_was_made_is_used_after_another_death_and_a_flushed_redis(
    run: Run, user: User, asker: Asker, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Like t3, but memory is only flushed while the model answers after the repeat, as by a restart of Redis."""
    script(RESTART_A, words("Done."), words("Done."))
    await asker.work(run)
    await asker.decide(user, run, "approve")
    asker.tools.fail = die
    with pytest.raises(Died):
        await asker.work(run)
    asker.tools.fail = lambda: None
    await asker.of(lose_lease, run)
    await asker.work(run)
    await asker.decide(user, run, "approve")
    with monkeypatch.context() as patch:
        from aiops.runs.work.recorder import Recorder

        patch.setattr(Recorder, "model_answered", lambda *_, **__: die())
        with pytest.raises(Died):
            await asker.work(run)
    asker.forget()
    for _ in range(3):
        await asker.of(lose_lease, run)
        now = await asker.work(run)
        if now.state != State.RUNNING:
            break
    assert now.state == State.SUCCEEDED


async def test_a_granted_call_that_a_worker_died_in_is_not_called_again_without_a_person(
    run: Run, user: User, asker: Asker, script: Script, ask: Callable[..., Run]
) -> None:
    script(RESTART_A, words("One."), RESTART_A, RESTART_A, words("Two."))
    await asker.work(run)
    await asker.decide(user, run, {"choice": Choice.APPROVE, "remember": True})
    await asker.work(run)
    second = await asker.of(ask, "again", run.conversation_id)
    asker.tools.fail = die
    with pytest.raises(Died):
        await asker.work(second)
    asker.tools.fail = lambda: None
    await asker.of(lose_lease, second)
    await asker.work(second)
    assert len(asker.tools.made) == 2, "the call of unknown outcome was made again, and nobody was asked"
