"""Whatever happens to a conversation at once: no deadlock, no server error, and nothing is left behind.

More than 250 lines: each pair of writers needs its own two threads.
"""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

import pytest
from django.conf import settings as django_settings
from django.db import connection, transaction
from django.db.models.functions import Now
from django.test import Client

from aiops import dispatch
from aiops.attachments import lifecycle as attachments
from aiops.attachments.jobs import remove_unsent
from aiops.attachments.models import Attachment
from aiops.batches import feeding, validation
from aiops.batches import lifecycle as batches
from aiops.batches.lifecycle import Plan
from aiops.batches.models import Batch, Item
from aiops.conversations.models import Conversation, Message
from aiops.errors import Conflict, NotFound, TooMany, Unauthenticated
from aiops.people import accounts, tokens
from aiops.people.models import User
from aiops.retention import pruning, rules
from aiops.retention.rules import Rule
from aiops.runs import reaper, send, transitions
from aiops.runs.accept import NewMessage, accept
from aiops.runs.models import Run
from aiops.runs.options import RunOptions
from aiops.runs.states import State
from aiops.runs.transitions import Ending
from aiops.schedules import firing
from aiops.schedules.models import Firing, Schedule

Ask = Callable[..., Run]
Act = Callable[[], Any]
Api = Callable[..., int]
SETTINGS = django_settings.SETTINGS
ROUNDS = 12
BATCHES, ITEMS = 4, 60
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def empty_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatch, "run", lambda *_, **__: True)
    monkeypatch.setattr(dispatch, "validate", lambda _: True)
    monkeypatch.setattr(dispatch, "depth", lambda _: 1_000_000)


@pytest.fixture
def api(user: User) -> Api:
    """Call the API as ann, from any thread; return the status."""
    _, token = tokens.issue(user, name="test")
    headers = {"Authorization": f"Bearer {token}"}

    def call(method: str, path: str, body: dict[str, Any] | None = None) -> int:
        client = Client(raise_request_exception=False, headers=headers)
        sent = b"" if body is None else json.dumps(body).encode()
        return int(client.generic(method, path, sent, content_type="application/json").status_code)

    return call


def at_once(acts: Sequence[Act]) -> list[Any]:
    """Do all of these at the same moment, each in a thread of its own; return what they return, or raise."""
    ready = threading.Barrier(len(acts))

    def run(act: Act) -> Any:
        try:
            ready.wait(timeout=30)
            return act()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(acts)) as threads:
        return [future.result() for future in [threads.submit(run, act) for act in acts]]


def work(run: Run, *, lease_s: float) -> None:
    """Claim a run and finish it, as a worker does."""
    claimed = transitions.claim(str(run.pk), worker="w", lease_s=lease_s)
    if claimed is not None:
        claim = claimed.claim
        transitions.renew([claim], worker="w", lease_s=lease_s)
        transitions.write_steps(claim, [])
        transitions.finish(claim, Ending(State.SUCCEEDED, "an answer"))


@pytest.fixture
def make_batch(user: User) -> Callable[[], Batch]:
    """Make a batch that all its items have started."""
    plan = Plan("b", "jsonl", "all_or_nothing", "", None, {}, max_concurrency=100, completion_window_s=3_600)
    lines = "\n".join(json.dumps({"custom_id": f"c{n}", "prompt": "p"}) for n in range(ITEMS)).encode()

    def make() -> Batch:
        with transaction.atomic():
            batch = batches.make(user, plan, [lines], most=10_000)
        validation.validate(str(batch.pk), SETTINGS)
        feeding.tick(SETTINGS)
        return Batch.objects.get(pk=batch.pk)

    return make


def test_a_conversation_is_deleted_beside_questions_workers_and_the_reaper(ask: Ask, api: Api) -> None:
    statuses: dict[str, Counter[int]] = {name: Counter() for name in ("asked", "cancelled", "renamed", "deleted")}
    gone: list[Any] = []
    for _ in range(ROUNDS):
        run, other = ask(), ask()
        more = [ask("more", run.conversation_id) for _ in range(2)]
        path = f"/api/conversations/{run.conversation_id}/"
        question = {"message": "again", "conversation": str(run.conversation_id)}
        done = at_once(
            [
                partial(api, "POST", "/api/chat/", question),
                partial(api, "POST", "/api/chat/", {**question, "on_busy": "rollback"}),
                partial(api, "POST", f"/api/runs/{run.pk}/cancel/", {}),
                partial(api, "POST", "/api/runs/cancel/", {"ids": [str(one.pk) for one in more]}),
                partial(api, "PATCH", path, {"title": "another"}),
                partial(api, "DELETE", path),
                partial(work, run, lease_s=60),
                partial(work, other, lease_s=-1),
                partial(reaper.reap, SETTINGS),
            ]
        )
        for name, some in zip(statuses, (done[0:2], done[2:4], done[4:5], done[5:6]), strict=True):
            statuses[name].update(some)
        gone.append(run.conversation_id)
    assert set(statuses["asked"]) <= {202, 404}, statuses
    assert set(statuses["cancelled"]) <= {202, 404, 409}, statuses
    assert set(statuses["renamed"]) <= {200, 404}, statuses
    assert statuses["deleted"] == {204: ROUNDS}
    for table in (Message, Run):
        assert not table.objects.filter(conversation__in=gone).exists()
    assert not Conversation.objects.filter(pk__in=gone).exists()


def test_of_two_deletions_of_a_conversation_one_finds_it_gone(ask: Ask, api: Api) -> None:
    deleted: Counter[tuple[int, ...]] = Counter()
    for _ in range(ROUNDS):
        delete = partial(api, "DELETE", f"/api/conversations/{ask().conversation_id}/")
        deleted[tuple(sorted(at_once([delete, delete])))] += 1
    assert deleted == {(204, 404): ROUNDS}


@pytest.mark.parametrize(("kind", "state"), [("conversations", ""), ("runs", "cancelled")])
def test_a_question_beside_retention_is_kept_or_refused(kind: str, state: str, ask: Ask, api: Api) -> None:
    rule = Rule(rules.kinds()[kind], state, 30)
    for _ in range(ROUNDS):
        runs = [ask() for _ in range(3)]
        transitions.request_cancel([run.pk for run in runs])
        month_ago = Now() - timedelta(days=31)
        Run.objects.update(finished_at=month_ago)
        Conversation.objects.update(updated_at=month_ago)
        question = {"message": "again", "conversation": str(runs[1].conversation_id)}
        status, pruned = at_once([partial(api, "POST", "/api/chat/", question), partial(pruning.prune, rule, for_s=30)])
        kept = Conversation.objects.filter(pk=runs[1].conversation_id).exists()
        assert (status, kept) in [(202, True), (404, False)]
        assert not pruned.failed
        assert Run.objects.filter(message__text="again").count() == (1 if kept else 0)
        Conversation.objects.all().delete()


def test_a_question_is_not_forgotten_by_who_clears_memory_beside_it(ask: Ask, api: Api) -> None:
    for _ in range(ROUNDS):
        run = ask()
        transitions.request_cancel([run.pk])
        path = f"/api/conversations/{run.conversation_id}/clear/"
        question = {"message": "again", "conversation": str(run.conversation_id)}
        asked, cleared = at_once([partial(api, "POST", "/api/chat/", question), partial(api, "POST", path, {})])
        assert (asked, cleared) in [(202, 204), (202, 409)]
        fresh = Run.objects.select_related("conversation").get(message__text="again")
        assert fresh.conversation.memory_from < fresh.position
        Conversation.objects.all().delete()


def test_a_schedule_is_started_while_it_and_its_conversation_are_deleted(ask: Ask, user: User, api: Api) -> None:
    deleted: Counter[int] = Counter()
    for _ in range(ROUNDS):
        conversation = ask().conversation
        transitions.request_cancel(list(conversation.runs.values_list("pk", flat=True)))
        past = Now() - timedelta(seconds=1)
        common = {"user": user, "conversation": conversation, "kind": "interval", "every_s": 60, "message": "m"}
        kept, gone = [Schedule.objects.create(name=name, due_at=past, next_at=past, **common) for name in "ab"]
        done = at_once(
            [
                partial(api, "DELETE", f"/api/conversations/{conversation.pk}/"),
                partial(api, "DELETE", f"/api/schedules/{gone.pk}/"),
                partial(firing.tick, SETTINGS),
                partial(firing.tick, SETTINGS),
            ]
        )
        deleted.update(done[:2])
        firing.tick(SETTINGS)  # the others may have passed over a schedule that was locked
        kept.refresh_from_db()
        assert (kept.paused_because, kept.firings.count()) == ("", 1)
        assert not Schedule.objects.filter(pk=gone.pk).exists()
        Schedule.objects.all().delete()
        Conversation.objects.all().delete()
    assert deleted == {204: 2 * ROUNDS}


def test_a_batch_is_cancelled_while_its_runs_are_renewed_sent_and_fed(make_batch: Callable[[], Batch]) -> None:
    for _ in range(BATCHES):
        batch = make_batch()
        runs = list(Run.objects.filter(user=batch.user_id, state=State.QUEUED).order_by("-pk"))
        made = [transitions.claim(str(run.pk), worker="w", lease_s=60) for run in runs[::2]]
        claims = [claimed.claim for claimed in made if claimed is not None]
        assert len(claims) >= ITEMS / 4
        at_once(
            [
                partial(batches.cancel, batch),
                *[partial(transitions.renew, claims[::step], worker="w", lease_s=60) for step in (1, -1)],
                *[partial(send.send_all, runs[::step]) for step in (1, -1)],
                partial(feeding.tick, SETTINGS),
            ]
        )
        for claim in claims:
            transitions.finish(claim, Ending(State.CANCELLED, ""))
        feeding.tick(SETTINGS)
        batch.refresh_from_db()
        assert (batch.state, batch.cancelled) == (Batch.State.CANCELLED, ITEMS)


def waiting_for_locks() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_clear_snapshot()")  # a transaction sees one picture of it otherwise
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        return int(cursor.fetchone()[0])


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite locks no rows")
@pytest.mark.parametrize("other", ["renew", "send"])
def test_who_locks_several_runs_takes_them_in_the_order_of_their_ids(other: str, ask: Ask) -> None:
    """Both wait for the middle run; who had taken the runs in another order would then wait for each other."""
    runs = [ask() for _ in range(5)]
    held = [transitions.claim(str(run.pk), worker="w", lease_s=60) for run in reversed(runs)]  # their order on disk
    claims = [claimed.claim for claimed in held if claimed is not None]
    if other == "send":
        Run.objects.update(state=State.QUEUED)
        for run in reversed(runs):
            Run.objects.filter(pk=run.pk).update(sent_at=None)
    acts: dict[str, Act] = {
        "renew": partial(transitions.renew, claims, worker="w", lease_s=60),
        "send": partial(send.send_all, runs),
    }
    with ThreadPoolExecutor(1) as threads:
        with transaction.atomic():
            Run.objects.select_for_update().get(pk=runs[2].pk)
            both = threads.submit(at_once, [partial(transitions.request_cancel, [r.pk for r in runs]), acts[other]])
            until = time.monotonic() + 30
            while waiting_for_locks() < 2 and not both.done():
                assert time.monotonic() < until
        both.result()


def test_of_simultaneous_posts_as_many_are_accepted_as_one_person_may_have(user: User) -> None:
    for _ in range(ROUNDS):
        Conversation.objects.all().delete()
        refused = []

        def ask_one(refused: list[str] = refused) -> None:
            try:
                with transaction.atomic():
                    accept(user, NewMessage("hello", RunOptions(deadline_s=120)), max_queued=3)
            except TooMany as error:
                refused.append(error.code)

        at_once([ask_one] * 8)
        assert refused == ["too_many_runs"] * 5
        assert Run.objects.count() == Conversation.objects.count() == 3


def test_attachments_are_sent_once_and_go_with_their_account(user: User, api: Api) -> None:
    def store() -> Attachment | None:
        with contextlib.suppress(Unauthenticated), transaction.atomic():
            return attachments.store(user, name="a.log", text="x")
        return None

    def send(ids: list[UUID]) -> None:
        with contextlib.suppress(Unauthenticated, NotFound, Conflict), transaction.atomic():
            accept(user, NewMessage("hello", RunOptions(deadline_s=120), attachments=ids), max_queued=1_000)

    remove = partial(remove_unsent, SETTINGS)
    for number in range(ROUNDS):
        user.save(force_insert=number > 0)
        ids = [one.pk for one in (store() for _ in range(4)) if one is not None]
        posts = [{"message": "hello", "attachments": list(map(str, some))} for some in (ids[:3], ids[2::-1])]
        if number == 0:
            done = at_once([*(partial(api, "POST", "/api/chat/", post) for post in posts), remove])
            assert sorted(done[:2]) == [202, 409]
        Attachment.objects.update(created_at=Now() - timedelta(days=2))
        at_once([partial(accounts.delete, user), partial(send, ids[::-1]), partial(send, ids), store, remove])
        for table in (Attachment, Message, Run):
            assert not table.objects.exists()


def test_an_account_is_deleted_with_all_that_works_for_it(make_batch: Callable[[], Batch], user: User) -> None:
    other = User.objects.create_user("bob")
    for number in range(BATCHES):
        user.save(force_insert=number > 0)
        batch = make_batch()
        past = Now() - timedelta(seconds=1)
        common = {"kind": "interval", "every_s": 60, "message": "m", "due_at": past, "next_at": past}
        Schedule.objects.create(name="s", user=user, **common)

        def ask_one() -> None:
            with contextlib.suppress(Unauthenticated), transaction.atomic():
                accept(user, NewMessage("hello", RunOptions(deadline_s=120)), max_queued=1_000)

        at_once(
            [
                partial(accounts.delete, user),
                *[ask_one] * 3,
                partial(firing.tick, SETTINGS),
                partial(feeding.tick, SETTINGS),
                *[partial(work, run, lease_s=60) for run in Run.objects.filter(user=batch.user_id)[:3]],
            ]
        )
        assert list(User.objects.all()) == [other]
        for table in (Conversation, Message, Run, Batch, Item, Schedule, Firing):
            assert not table.objects.exists()
