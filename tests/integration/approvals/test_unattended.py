"""Runs that nobody attends, and people who leave: batches, schedules, deactivated and deleted accounts."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.db.models.functions import Now

from aiops.approvals.models import Approval, ApprovalPolicy
from aiops.batches import feeding
from aiops.batches.models import Batch
from aiops.conversations import sharing
from aiops.conversations.models import Conversation
from aiops.people import accounts, administration
from aiops.people.models import User
from aiops.runs.models import Run
from aiops.runs.states import State
from aiops.schedules import firing
from aiops.schedules.models import Schedule
from tests.integration.approvals.conftest import RESTART_A, Asker, run_of
from tests.integration.scripted_model import calling, words

pytestmark = pytest.mark.django_db(transaction=True)
SETTINGS = django_settings.SETTINGS
Script = Callable[..., Any]


async def test_items_of_a_batch_get_no_tool_that_writes_unless_the_batch_allows_changes(
    batch: Callable[..., Batch], asker: Asker, script: Script
) -> None:
    script(RESTART_A, words("There is no such tool."))
    made = await asker.of(batch, "restart a")
    await asker.of(feeding.tick, SETTINGS)
    ended = await asker.work(await asker.of(run_of, made, 1))
    assert (ended.state, asker.tools.made) == (State.SUCCEEDED, [])
    assert "no tool" in ended.steps[0]["preview"]


async def test_an_item_that_waits_frees_its_place_and_is_asked_about_whatever_the_policies_allow(
    batch: Callable[..., Batch], user: User, asker: Asker, script: Script
) -> None:
    await asker.of(ApprovalPolicy.objects.create, position=1, tool_class="write", outcome="auto")
    script(RESTART_A, words("Two."), words("One."))
    made = await asker.of(batch, "restart a", "hello", allow_changes=True)
    await asker.of(feeding.tick, SETTINGS)
    assert await asker.of(run_of, made, 2) is None, "one at a time"
    first = await asker.work(await asker.of(run_of, made, 1))
    assert first.state == State.WAITING_APPROVAL
    _, (item,) = await asker.pending(first)
    assert "nobody attends" in item.policy
    await asker.of(feeding.tick, SETTINGS)
    second = await asker.of(run_of, made, 2)
    assert second is not None, "the waiting item has no place"
    await asker.work(second)
    await asker.decide(user, first, "approve")
    await asker.work(first)
    await asker.of(feeding.tick, SETTINGS)
    await asker.of(made.refresh_from_db)
    assert (made.state, made.succeeded) == (Batch.State.COMPLETED, 2)
    assert asker.tools.made == [("restart", {"host": "a"})]


async def test_a_firing_that_is_due_while_the_last_run_waits_is_missed_and_names_the_approval(
    user: User, asker: Asker, script: Script, sent: list[str]
) -> None:
    script(RESTART_A, words("Done."))
    due = {"due_at": Now(), "next_at": Now()}
    schedule = await asker.of(
        Schedule.objects.create,
        user=user,
        name="s",
        message="restart a",
        kind=Schedule.Kind.INTERVAL,
        every_s=60,
        options={"read_only": False},
        **due,
    )
    await asker.of(firing.tick, SETTINGS)
    first = await asker.of(lambda: Run.objects.get(source="schedule"))
    assert (await asker.work(first)).state == State.WAITING_APPROVAL
    approval, _ = await asker.pending(first)
    past = Now() - timedelta(seconds=1)
    await asker.of(Schedule.objects.filter(pk=schedule.pk).update, due_at=past, next_at=past)
    await asker.of(firing.tick, SETTINGS)
    latest = await asker.of(lambda: schedule.firings.order_by("-pk").first())
    assert latest.outcome == "missed"
    assert str(approval.pk) in latest.reason


async def test_a_deactivated_account_asks_nobody_any_more(
    ask: Callable[..., Run], user: User, asker: Asker, script: Script
) -> None:
    script(RESTART_A)
    run = await asker.of(ask, "restart a")
    await asker.work(run)
    approval, (item,) = await asker.pending(run)
    await asker.of(sharing.begin, await asker.of(Conversation.objects.get, pk=run.conversation_id))
    root = await asker.of(User.objects.create_superuser, "root", password="correct-horse-battery")
    await asker.of(administration.change, root, user, {"is_active": False})
    await asker.of(approval.refresh_from_db)
    await asker.of(item.refresh_from_db)
    assert (approval.state, item.state) == ("closed", "closed")
    assert (await asker.of(Run.objects.get, pk=run.pk)).state == State.CANCELLED
    assert (await asker.of(Conversation.objects.get, pk=run.conversation_id)).share_key == ""


async def test_a_deleted_account_takes_its_approvals_along_and_those_it_decided_stay(
    ask: Callable[..., Run], user: User, approver: User, asker: Asker, script: Script
) -> None:
    wipe = calling("net_wipe", '{"host": "a"}')
    script(wipe, words("Done."), RESTART_A)
    first = await asker.of(ask, "wipe a")
    await asker.work(first)
    await asker.decide(approver, first, "approve")
    await asker.work(first)
    await asker.of(accounts.delete, approver)
    decided = await asker.of(lambda: Approval.objects.get(run=first).items.get())
    assert (decided.decided_by_id, decided.decided_by_name) == (None, "bob")
    await asker.of(accounts.delete, user)
    assert not await asker.of(Approval.objects.exists)
