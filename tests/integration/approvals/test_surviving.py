"""Approvals through everything that can come between a question and its answer: each approved call is made once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.contrib.auth.models import Group
from django.db import transaction
from django.db.models.functions import Now

from aiops.approvals import expiring
from aiops.approvals.models import Approval, ApprovalItem, ApprovalPolicy, Grant
from aiops.approvals.values import Choice
from aiops.errors import AiopsError
from aiops.people.models import User
from aiops.runs.accept import NewMessage, accept
from aiops.runs.models import Run
from aiops.runs.options import RunOptions
from aiops.runs.states import State
from aiops.runs.work.stopping import Stop, Why
from tests.integration.approvals.conftest import RESTART_A, Asker, Died, die, lose_lease
from tests.integration.scripted_model import words

pytestmark = pytest.mark.django_db(transaction=True)
SETTINGS = django_settings.SETTINGS
Script = Callable[..., Any]


@pytest.fixture
def run(ask: Callable[..., Run], sent: list[str]) -> Run:
    return ask("restart a")


def is_due(run: Run) -> None:
    Approval.objects.filter(run=run).update(expires_at=Now() - timedelta(seconds=1))


async def test_an_approval_that_nobody_decides_about_expires_and_the_run_goes_on_without_the_call(
    run: Run, user: User, asker: Asker, script: Script, sent: list[str]
) -> None:
    script(RESTART_A, words("Nobody answered."))
    await asker.work(run)
    approval, (item,) = await asker.pending(run)
    assert await asker.of(expiring.expire, SETTINGS) == {"expired": 0, "without_deciders": 0}
    await asker.of(is_due, run)
    sent.clear()
    assert await asker.of(expiring.expire, SETTINGS) == {"expired": 1, "without_deciders": 0}
    assert sent == [str(run.pk)]
    await asker.of(item.refresh_from_db)
    await asker.of(approval.refresh_from_db)
    assert (approval.state, item.state) == ("expired", "expired")
    ended = await asker.work(run)
    assert (ended.state, ended.answer, asker.tools.made) == (State.SUCCEEDED, "Nobody answered.", [])
    assert "in time" in ended.steps[0]["preview"]


async def test_an_approval_that_cannot_be_expired_does_not_keep_the_others_from_expiring(
    run: Run, ask: Callable[..., Run], asker: Asker, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = await asker.of(ask, "restart a, too")
    script(RESTART_A, RESTART_A)
    for one in (run, other):
        await asker.work(one)
        await asker.of(is_due, one)
    broken, _ = await asker.pending(run)
    await asker.of(Approval.objects.filter(run=run).update, expires_at=Now() - timedelta(minutes=1))  # the first
    settle = expiring.settle

    def fail_once(approval: Approval, *args: Any) -> None:
        if approval.pk == broken.pk:
            raise ValueError("broken")
        settle(approval, *args)

    with monkeypatch.context() as patch:
        patch.setattr(expiring, "settle", fail_once)
        assert await asker.of(expiring.expire, SETTINGS) == {"expired": 1, "without_deciders": 0}
    assert (await asker.pending(run))[0].pk == broken.pk, "nothing of it was written"
    assert await asker.of(expiring.expire, SETTINGS) == {"expired": 1, "without_deciders": 0}


async def test_a_policy_that_has_become_stricter_since_the_decision_keeps_the_call_from_being_made(
    run: Run, user: User, asker: Asker, script: Script
) -> None:
    script(RESTART_A, words("Not allowed."))
    await asker.work(run)
    await asker.decide(user, run, "approve")
    await asker.of(ApprovalPolicy.objects.create, position=1, tool_class="write", outcome="never")
    ended = await asker.work(run)
    assert asker.tools.made == []
    assert "not allowed by policy 1" in ended.steps[0]["preview"]


async def test_a_worker_that_dies_before_it_parks_asks_once(
    run: Run, user: User, asker: Asker, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    script(RESTART_A, RESTART_A, words("Done."))
    with monkeypatch.context() as patch:
        patch.setattr("aiops.runs.work.parking._write", lambda *_, **__: die())
        with pytest.raises(Died):
            await asker.work(run)
    assert not await asker.of(Approval.objects.exists)
    await asker.of(lose_lease, run)
    assert (await asker.work(run)).state == State.WAITING_APPROVAL
    await asker.decide(user, run, "approve")
    assert (await asker.work(run)).state == State.SUCCEEDED
    assert asker.tools.made == [("restart", {"host": "a"})]


@pytest.mark.parametrize("memory", ["kept", "lost"])
async def test_a_worker_that_dies_after_the_decision_leaves_it_to_the_next_one(
    run: Run, user: User, asker: Asker, script: Script, monkeypatch: pytest.MonkeyPatch, memory: str
) -> None:
    script(RESTART_A, words("Done."))
    await asker.work(run)
    await asker.decide(user, run, "approve")
    with monkeypatch.context() as patch:
        patch.setattr("aiops.approvals.permitting.permit", lambda *_, **__: die())
        with pytest.raises(Died):
            await asker.work(run)
    if memory == "lost":
        asker.forget()
    await asker.of(lose_lease, run)
    assert (await asker.work(run)).state == State.SUCCEEDED
    assert asker.tools.made == [("restart", {"host": "a"})]


@pytest.mark.parametrize("memory", ["kept", "lost"])
@pytest.mark.parametrize(("choice", "made"), [("approve", 2), ("reject", 1)])
async def test_after_a_death_in_mid_call_only_a_person_has_it_made_again(
    run: Run, user: User, asker: Asker, script: Script, memory: str, choice: str, made: int
) -> None:
    script(RESTART_A, words("Done."))
    await asker.work(run)
    await asker.decide(user, run, "approve")
    asker.tools.fail = die
    with pytest.raises(Died):
        await asker.work(run)
    asker.tools.fail = lambda: None
    if memory == "lost":
        asker.forget()
    await asker.of(lose_lease, run)
    assert (await asker.work(run)).state == State.WAITING_APPROVAL
    states = await asker.of(lambda: list(ApprovalItem.objects.order_by("pk").values_list("state", flat=True)))
    assert states == ["outcome_unknown", "pending"]
    await asker.decide(user, run, choice)
    ended = await asker.work(run)
    assert (ended.state, len(asker.tools.made)) == (State.SUCCEEDED, made)
    assert len(ended.steps) == 1


async def test_a_failure_after_the_call_loses_neither_decision_nor_result_and_a_retry_goes_on_from_there(
    run: Run, user: User, asker: Asker, script: Script, ask: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    script(RESTART_A, [ConnectionError("the model is down")], words("It was restarted."))
    await asker.work(run)
    await asker.decide(user, run, "approve")
    failed = await asker.work(run)
    assert failed.state == State.FAILED
    assert [(step["status"], step["preview"]) for step in failed.steps] == [("ok", "restart of a done")]
    again = await asker.of(_ask_again, user, failed)
    ended = await asker.work(again)
    assert (ended.state, ended.answer) == (State.SUCCEEDED, "It was restarted.")
    assert [step["preview"] for step in ended.steps] == ["restart of a done"]
    assert asker.tools.made == [("restart", {"host": "a"})]
    memory = await asker.context.memory().aget_tuple({"configurable": {"thread_id": str(run.conversation_id)}})
    assert [m.text for m in memory.checkpoint["channel_values"]["messages"] if m.type == "tool"] == [
        "restart of a done"
    ]


def _ask_again(user: User, failed: Run) -> Run:
    new = NewMessage(
        failed.message.text, RunOptions(deadline_s=60), conversation_id=failed.conversation_id, replaces=failed
    )
    with transaction.atomic():
        return accept(user, new, max_queued=50).run


async def test_a_drain_in_mid_call_asks_a_person_before_it_is_made_again(
    run: Run, user: User, asker: Asker, script: Script
) -> None:
    script(RESTART_A, words("Done."))
    await asker.work(run)
    await asker.decide(user, run, "approve")
    stop = Stop()

    async def drained() -> None:
        stop.ask(Why.DRAIN)
        await asyncio.Event().wait()

    asker.tools.fail = drained
    assert (await asker.work(run, stop)).state == State.QUEUED
    asker.tools.fail = lambda: None
    assert (await asker.work(run)).state == State.WAITING_APPROVAL
    assert len(asker.tools.made) == 1


async def test_a_tool_that_is_allowed_for_the_conversation_asks_no_more_until_that_is_revoked(
    run: Run, user: User, asker: Asker, script: Script, ask: Callable[..., Run]
) -> None:
    script(RESTART_A, words("One."), RESTART_A, words("Two."), RESTART_A)
    await asker.work(run)
    await asker.decide(user, run, {"choice": Choice.APPROVE, "remember": True})
    await asker.work(run)
    second = await asker.of(ask, "again", run.conversation_id)
    assert (await asker.work(second)).state == State.SUCCEEDED
    await asker.of(lambda: Grant.objects.all().delete())
    third = await asker.of(ask, "again", run.conversation_id)
    assert (await asker.work(third)).state == State.WAITING_APPROVAL
    assert len(asker.tools.made) == 2


async def test_a_call_that_differs_from_the_one_that_was_decided_about_is_refused(
    run: Run, user: User, asker: Asker, script: Script
) -> None:
    script(RESTART_A, words("Done."))
    await asker.work(run)
    approval, _ = await asker.pending(run)
    changed = {**approval.message}
    changed["data"]["tool_calls"][0]["args"] = {"host": "everything"}
    await asker.of(Approval.objects.filter(pk=approval.pk).update, message=changed)
    await asker.decide(user, run, "approve")
    ended = await asker.work(run)
    assert asker.tools.made == []
    assert "not the one that was decided about" in ended.steps[0]["preview"]


async def test_only_members_of_the_group_that_the_policy_names_now_can_let_it_be_called(
    run: Run, user: User, asker: Asker, script: Script
) -> None:
    script(RESTART_A, words("Done."))
    await asker.work(run)
    await asker.of(Group.objects.get_or_create, name="oncall")
    await asker.of(
        ApprovalPolicy.objects.create, position=1, server="net", tool="restart", outcome="ask_role", role="oncall"
    )
    with pytest.raises(AiopsError) as refused:
        await asker.decide(user, run, "approve")
    assert "oncall" in str(refused.value.errors)  # type: ignore[attr-defined]
    (waiting,) = (await asker.pending(run))[1]
    assert waiting.state == "pending"
