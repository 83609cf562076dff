"""Approvals of items of batches, and of steps with very many calls."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.db.models.functions import Now

from aiops.approvals.models import ApprovalItem
from aiops.batches import feeding
from aiops.batches.models import Batch
from aiops.people import administration
from aiops.people.models import User
from aiops.runs.models import Run
from aiops.runs.states import State
from aiops.webhooks.models import Delivery
from tests.integration.approvals.conftest import RESTART_A, Asker, run_of
from tests.integration.scripted_model import calling, words

pytestmark = pytest.mark.django_db(transaction=True)
SETTINGS = django_settings.SETTINGS
Script = Callable[..., Any]


async def test_an_item_that_had_begun_goes_on_after_its_decision_although_the_batchs_window_is_over(
    batch: Callable[..., Batch],
    user: User,
    asker: Asker,
    script: Script,
) -> None:
    script(RESTART_A, words("Done."))
    made = await asker.of(batch, "restart a", allow_changes=True)
    await asker.of(feeding.tick, SETTINGS)
    run = await asker.work(await asker.of(run_of, made, 1))
    assert run.state == State.WAITING_APPROVAL
    await asker.of(Batch.objects.filter(pk=made.pk).update, expires_at=Now() - timedelta(seconds=1))
    await asker.decide(user, run, "approve")
    await asker.of(feeding.tick, SETTINGS)
    now = await asker.of(Run.objects.get, pk=run.pk)
    item = await asker.of(ApprovalItem.objects.get)
    assert (now.state, item.state) == (State.QUEUED, "approved")


async def test_an_expired_item_leaves_no_approved_call(
    batch: Callable[..., Batch],
    user: User,
    asker: Asker,
    script: Script,
) -> None:
    script(RESTART_A, words("Done."))
    made = await asker.of(batch, "restart a", allow_changes=True)
    await asker.of(feeding.tick, SETTINGS)
    run = await asker.work(await asker.of(run_of, made, 1))
    await asker.of(Batch.objects.filter(pk=made.pk).update, expires_at=Now() - timedelta(seconds=1))
    await asker.decide(user, run, "approve")
    await asker.of(feeding.tick, SETTINGS)
    now = await asker.of(Run.objects.get, pk=run.pk)
    item = await asker.of(ApprovalItem.objects.get)
    assert not (now.state in ("expired", "cancelled") and item.state == "approved")


async def test_a_deactivated_owners_approved_call_is_not_made(
    batch: Callable[..., Batch],
    user: User,
    asker: Asker,
    script: Script,
) -> None:
    script(RESTART_A, words("Done."))
    made = await asker.of(batch, "restart a", allow_changes=True)
    await asker.of(feeding.tick, SETTINGS)
    run = await asker.work(await asker.of(run_of, made, 1))
    await asker.decide(user, run, "approve")
    root = await asker.of(User.objects.create_superuser, "root", password="correct-horse-battery")
    await asker.of(administration.change, root, user, {"is_active": False})
    now = await asker.of(Run.objects.get, pk=run.pk)
    if now.state == State.QUEUED:
        await asker.work(run)
    assert asker.tools.made == []


async def test_a_batch_does_not_send_a_mail_for_each_item(
    batch: Callable[..., Batch],
    user: User,
    asker: Asker,
    script: Script,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await asker.of(User.objects.filter(pk=user.pk).update, email="ann@example.org")
    monkeypatch.setattr("aiops.webhooks.mailing.is_configured", lambda _: True)
    script(*[RESTART_A] * 10)
    made = await asker.of(batch, *["restart a"] * 10, allow_changes=True)
    for number in range(1, 11):
        await asker.of(feeding.tick, SETTINGS)
        await asker.work(await asker.of(run_of, made, number))
    assert await asker.of(Delivery.objects.filter(form="mail").count) < 10


async def test_a_step_of_a_hundred_and_one_calls_does_not_wait_for_what_cannot_be_decided(
    ask: Callable[..., Run], sent: list[str], user: User, asker: Asker, script: Script
) -> None:
    turn = []
    for n in range(101):
        (one,) = calling("net_restart", f'{{"host": "{n}"}}', call_id=f"c{n}")
        one = one.model_copy()
        one.tool_call_chunks[0]["index"] = n
        turn.append(one)
    script(turn, words("Done."))
    run = await asker.of(ask, "restart all")
    waiting = await asker.work(run)
    if waiting.state == State.WAITING_APPROVAL:
        assert await asker.of(ApprovalItem.objects.count) <= 100
