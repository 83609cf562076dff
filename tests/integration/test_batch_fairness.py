"""Room goes to items that can begin, of people who may come in; what is left over is accounted for and reported."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.db import connection
from django.db.models.functions import Now
from django.test import Client
from django.test.utils import CaptureQueriesContext

from aiops.batches import capacity, lifecycle, validation
from aiops.batches.models import Batch, Item
from aiops.errors import Conflict
from aiops.llm import snapshot
from aiops.people import tokens
from aiops.people.models import User
from aiops.runs.models import Run
from aiops.schedules.models import Firing, Schedule
from aiops.tool_servers.models import MCPServer
from aiops.webhooks import outbox
from aiops.webhooks.models import Delivery
from tests.integration.batching import SETTINGS, Make, counts, make, queue, running, tick

__all__ = ["make", "queue"]
pytestmark = pytest.mark.django_db


def test_a_locked_users_batch_rests_and_goes_on_when_the_user_may_come_in_again(make: Make, user: User) -> None:
    batch = make(3)
    User.objects.filter(pk=user.pk).update(is_active=False)
    tick(2)
    assert (running(batch), counts(batch)) == ([], {"total": 3})
    User.objects.filter(pk=user.pk).update(is_active=True)
    tick()
    assert len(running(batch)) == 3


def test_items_that_pause_take_no_place_from_those_that_can_begin(make: Make, user: User) -> None:
    for n in range(6):
        pausing = make(4, user=User.objects.create_user(f"u{n}"))
        Item.objects.filter(batch=pausing).update(not_before=Now() + timedelta(seconds=280))
    due = make(20)
    tick()
    assert len(running(due)) == SETTINGS.batch_concurrency * capacity.QUEUED_PER_SLOT
    Item.objects.filter(not_before__isnull=False).update(not_before=Now() - timedelta(seconds=1))
    Item.objects.filter(batch=due).update(state="succeeded")
    tick()
    assert Item.objects.filter(batch=pausing, state="running").exists()


def test_valid_lines_of_a_batch_that_is_all_or_nothing_are_reported_as_not_run(make: Make) -> None:
    batch = make(lines=[json.dumps({"prompt": "good"}), "{", json.dumps({"prompt": "good too"})])
    assert counts(batch) == {"total": 3, "invalid": 1, "cancelled": 2}
    reasons = Item.objects.filter(batch=batch, state="cancelled").values_list("error__code", flat=True)
    assert set(reasons) == {"not_run"}
    with pytest.raises(Conflict, match="failed before any item ran: create it again"):
        lifecycle.rerun(batch, states=(Item.State.CANCELLED, Item.State.EXPIRED))


def test_a_batch_cancelled_before_it_began_says_why_it_cannot_go_on(make: Make) -> None:
    batch = make(3, validate=False)
    lifecycle.cancel(batch)
    tick()
    with pytest.raises(Conflict, match="cancelled before any item ran: create it again"):
        lifecycle.rerun(batch, states=(Item.State.CANCELLED, Item.State.EXPIRED))


def test_a_batch_cancelled_as_its_validation_starts_over_ends(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    batch = make(3, validate=False)
    Item.objects.bulk_create([Item(batch=batch, number=n, custom_id=str(n)) for n in (1, 2)])  # one that died
    Batch.objects.filter(pk=batch.pk).update(total=2)
    get = Batch.objects.get

    def cancelled_meanwhile(**of: Any) -> Batch:
        read = get(**of)
        lifecycle.cancel(read)
        return read

    with monkeypatch.context() as patch:
        patch.setattr(Batch.objects, "get", cancelled_meanwhile)
        validation.validate(str(batch.pk), SETTINGS)
    tick()
    assert counts(batch) == {"total": 2, "cancelled": 2}
    assert batch.state == "cancelled"


def test_the_webhook_of_a_batch_that_is_deleted_at_once_is_written_before_its_rows_go(make: Make) -> None:
    batch = make(lines=["{"], webhook="https://example.org/hook")
    assert batch.state == "failed"
    lifecycle.delete(batch.pk)
    for _ in range(3):
        tick()
    assert outbox.collect() == 1
    for _ in range(3):
        tick()
    assert not Batch.objects.filter(pk=batch.pk).exists()
    delivery = Delivery.objects.get()
    assert (delivery.state, delivery.batch, delivery.payload["data"]["id"]) == ("pending", None, str(batch.pk))


@pytest.fixture
def fill(user: User, make: Make, ask: Callable[..., Run]) -> Callable[[], None]:
    """Adds one more of everything that is listed."""
    numbers = iter(range(100))

    def add() -> None:
        n = next(numbers)
        run = ask(f"question {n}")
        batch = make(2)
        schedule = Schedule.objects.create(user=user, name="s", kind="interval", every_s=3_600, message="x")
        Firing.objects.create(schedule=schedule, due_at=Now() - timedelta(hours=n), outcome="succeeded", run=run)
        Delivery.objects.create(user=user, url="https://example.org/", event="run.succeeded", run=run, payload={})
        Delivery.objects.create(user=user, url="https://example.org/", event="batch.failed", batch=batch, payload={})
        tokens.issue(user, name=f"t{n}")
        MCPServer.objects.create(name=f"server-{n}", url="https://example.org/")

    return add


LISTS = (
    "/api/conversations/", "/api/runs/", "/api/batches/", "/api/schedules/", "/api/webhooks/", "/api/tokens/",
    "/api/mcp-servers/", "/api/upkeep/", "/batches/", "/schedules/", "/webhooks/", "/tool-servers/", "/",
)  # fmt: skip


def test_a_list_costs_as_many_queries_for_many_rows_as_for_few(
    user: User, fill: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshot, "FRESH_S", 600)  # whether the models' version is read depends on the time
    User.objects.filter(pk=user.pk).update(is_staff=True, is_superuser=True)
    browser = Client()
    browser.force_login(User.objects.get(pk=user.pk))

    def queries() -> dict[str, int]:
        made = {}
        for path in LISTS:
            with CaptureQueriesContext(
                connection,
            ) as seen:
                assert browser.get(path).status_code == 200, path
            made[path] = len(seen)
        return made

    fill()
    queries()  # what only the first request of a process does
    few = queries()
    for _ in range(5):
        fill()
    assert queries() == few
    assert django_settings.SETTINGS.requests_per_minute > 3 * len(LISTS)
