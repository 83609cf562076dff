"""The reaper takes back what workers lost, sends again what the queue lost, and never copies a backlog.

More than 250 lines: the reaper's cases share the runs and workers that they set up.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.db.models.functions import Now

from aiops import dispatch, keyspace
from aiops.conversations.models import Message
from aiops.errors import Unavailable
from aiops.events import stream, types
from aiops.people.models import User
from aiops.runs import reaper, recovery, transitions
from aiops.runs.models import Run
from aiops.runs.states import State

Ask = Callable[..., Run]
pytestmark = pytest.mark.django_db
SETTINGS = django_settings.SETTINGS
LONG_ENOUGH = SETTINGS.heartbeat_s + reaper.SUSPICION_S + 1
"""What looks lost for so many seconds is sent again."""


@pytest.fixture
def depth(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many messages the queue says it holds."""
    held = [0]
    monkeypatch.setattr(dispatch, "depth", lambda queue: held[0])
    return held


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The reaper's own clock, in seconds."""
    now = [100.0]
    monkeypatch.setattr("aiops.runs.reaper.time", SimpleNamespace(monotonic=lambda: now[0]))
    return now


@pytest.fixture(autouse=True)
def worker(empty_redis: None) -> None:
    """A worker that has shown itself."""
    keyspace.sync().zadd(keyspace.workers("runs"), {"w": time.time()})


def grow_old(*runs: Run) -> None:
    for n, run in enumerate(runs):
        age = timedelta(minutes=10) - timedelta(seconds=n)
        Run.objects.filter(pk=run.pk).update(queued_at=Now() - age)
        Run.objects.filter(pk=run.pk, sent_at__isnull=False).update(sent_at=Now() - age)


def test_a_silent_workers_run_is_queued_again_and_the_stream_says_so(
    ask: Ask, sent: list[str], depth: list[int]
) -> None:
    run = ask()
    assert transitions.claim(str(run.pk), worker="w", lease_s=-1)
    assert reaper.reap(SETTINGS) == {"taken_back": 1, "failed": 0, "sent_again": 0}
    assert sent == [str(run.pk)]
    entries = keyspace.sync().xrange(keyspace.events(str(run.pk)))
    assert types.Event.loads(entries[-1][1][b"e"]).type == types.REQUEUED


def test_the_silent_worker_can_write_no_more_events(ask: Ask, sent: list[str], depth: list[int]) -> None:
    run = ask()
    assert transitions.claim(str(run.pk), worker="w", lease_s=-1)
    reaper.reap(SETTINGS)
    late = types.make(str(run.pk), types.EventId(1, 5), types.DELTA, {"message": "m", "text": "late"})
    assert not stream.append_now({str(run.pk): late}, ttl_s=60)


def test_a_poisoned_run_keeps_what_it_had_said(ask: Ask, sent: list[str], depth: list[int]) -> None:
    run = ask()
    steps = [{"call_id": "a", "status": "running", "safe": True}, {"call_id": "b", "status": "ok", "safe": True}]
    Run.objects.filter(pk=run.pk).update(attempts=3, steps=steps)
    assert transitions.claim(str(run.pk), worker="w", lease_s=-1)
    event = types.make(str(run.pk), types.EventId(1, 1), types.DELTA, {"message": "m", "text": "half of"})
    stream.append_now({str(run.pk): event}, ttl_s=60)
    reaper.reap(SETTINGS)
    assert Run.objects.get(pk=run.pk).state == State.FAILED
    assert [step["status"] for step in Run.objects.get(pk=run.pk).steps] == ["unknown", "ok"]
    assert Message.objects.get(pk=run.answer_id).text == "half of"


def test_a_message_that_the_queue_lost_is_sent_again(
    ask: Ask, sent: list[str], depth: list[int], clock: list[float]
) -> None:
    lost, waiting = ask(), ask()
    grow_old(lost, waiting)
    depth[0] = 1  # first in, first out: the older one is missing
    assert reaper.reap(SETTINGS)["sent_again"] == 0
    clock[0] += LONG_ENOUGH
    assert reaper.reap(SETTINGS)["sent_again"] == 1
    assert sent == [str(lost.pk)]


def test_a_locked_users_run_is_sent_again_only_when_the_user_is_unlocked(
    ask: Ask, user: User, sent: list[str], depth: list[int], clock: list[float]
) -> None:
    run = ask()
    grow_old(run)
    User.objects.filter(pk=user.pk).update(is_active=False)
    for _ in range(3):
        assert reaper.reap(SETTINGS)["sent_again"] == 0
        clock[0] += LONG_ENOUGH
    User.objects.filter(pk=user.pk).update(is_active=True)
    reaper.reap(SETTINGS)
    clock[0] += LONG_ENOUGH
    assert reaper.reap(SETTINGS)["sent_again"] == 1
    assert sent == [str(run.pk)]


def said(run: Run, text: str) -> None:
    event = types.make(str(run.pk), types.EventId(1, 1), types.DELTA, {"message": "m", "text": text})
    stream.append_now({str(run.pk): event}, ttl_s=60)


def test_a_run_that_is_cancelled_while_the_reaper_takes_it_back_keeps_what_it_had_said(
    ask: Ask, sent: list[str], depth: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = ask()
    assert transitions.claim(str(run.pk), worker="w", lease_s=-1)
    said(run, "half of")
    take_back = recovery.take_back

    def cancelled_first(*args: Any, **options: Any) -> Any:
        transitions.request_cancel([run.pk])
        return take_back(*args, **options)

    monkeypatch.setattr(recovery, "take_back", cancelled_first)
    for _ in range(2):
        reaper.reap(SETTINGS)
    assert Run.objects.get(pk=run.pk).state == State.CANCELLED
    assert Message.objects.get(pk=run.answer_id).text == "half of"


@pytest.mark.parametrize("broken", ["steps", "events"])
def test_a_run_that_cannot_be_taken_back_fails_with_its_reason_and_keeps_no_other(
    broken: str, ask: Ask, sent: list[str], depth: list[int]
) -> None:
    bad, good = ask(), ask()
    Run.objects.filter(pk=bad.pk).update(attempts=3)
    if broken == "steps":
        Run.objects.filter(pk=bad.pk).update(steps=[{"nothing": "of a step"}])
    else:
        keyspace.sync().xadd(keyspace.events(str(bad.pk)), {"e": b"{not an event"}, id="1-1")
    for run in (bad, good):
        assert transitions.claim(str(run.pk), worker="w", lease_s=-1)
    assert reaper.reap(SETTINGS) == {"taken_back": 2, "failed": 1, "sent_again": 0}
    failed = Run.objects.get(pk=bad.pk)
    assert (failed.state, failed.error["code"]) == (State.FAILED, "internal_error")
    assert Run.objects.get(pk=good.pk).state == State.QUEUED
    assert sent == [str(good.pk)]


def test_a_run_on_its_way_to_a_claim_is_not_resent(
    ask: Ask, sent: list[str], depth: list[int], clock: list[float]
) -> None:
    grow_old(*[ask() for _ in range(3)])
    depth[0] = 2
    for _ in range(3):  # another one is on its way at each look
        assert reaper.reap(SETTINGS)["sent_again"] == 0
        oldest = Run.objects.filter(state="queued").order_by("sent_at").first()
        assert transitions.claim(str(oldest.pk), worker="w", lease_s=100)
        depth[0] -= 1
        clock[0] += LONG_ENOUGH


def test_a_backlog_is_never_resent(ask: Ask, sent: list[str], depth: list[int]) -> None:
    runs = [ask() for _ in range(30)]
    grow_old(*runs)
    depth[0] = 30
    assert reaper.reap(SETTINGS)["sent_again"] == 0
    assert sent == []


def test_a_run_that_a_busy_worker_holds_is_not_resent(
    ask: Ask, sent: list[str], depth: list[int], clock: list[float]
) -> None:
    waiting, running = ask(), ask()
    assert transitions.claim(str(running.pk), worker="w", lease_s=100)
    grow_old(waiting)
    busy = SETTINGS.model_copy(update={"concurrency": 1})
    for _ in range(3):
        assert reaper.reap(busy)["sent_again"] == 0
        clock[0] += LONG_ENOUGH
    Run.objects.filter(pk=running.pk).update(state=State.SUCCEEDED)
    reaper.reap(busy)
    clock[0] += LONG_ENOUGH
    assert reaper.reap(busy)["sent_again"] == 1


def test_a_run_that_a_worker_holds_is_not_resent_until_the_worker_is_silent(
    ask: Ask, sent: list[str], depth: list[int], clock: list[float]
) -> None:
    grow_old(*[ask() for _ in range(3)])
    keyspace.show_worker("w", queue="runs", in_hand=3)
    for _ in range(3):
        assert reaper.reap(SETTINGS)["sent_again"] == 0
        clock[0] += LONG_ENOUGH
    keyspace.sync().zadd(keyspace.workers("runs"), {"w": time.time() - 10})
    reaper.reap(SETTINGS)
    clock[0] += LONG_ENOUGH
    assert reaper.reap(SETTINGS)["sent_again"] == 3


def test_a_run_whose_message_is_taken_while_the_reaper_counts_is_not_resent(
    ask: Ask, sent: list[str], clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    grow_old(ask())
    taken = [False]

    def count(*, if_taken: bool) -> int:
        seen, taken[0] = taken[0] == if_taken, True  # a worker takes the message right after the first look
        return int(seen)

    monkeypatch.setattr(dispatch, "depth", lambda queue: count(if_taken=False))
    monkeypatch.setattr(keyspace, "held_unclaimed", lambda queue, seen_within_s: count(if_taken=True))
    for _ in range(3):
        taken[0] = False
        assert reaper.reap(SETTINGS)["sent_again"] == 0
        clock[0] += LONG_ENOUGH


def test_a_run_that_is_claimed_while_the_reaper_counts_makes_no_other_look_lost(
    ask: Ask, sent: list[str], clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A slow look: at each, a worker claims one of the runs that it has just counted."""
    in_hand, *others = [ask() for _ in range(5)]
    grow_old(in_hand, *others)
    keyspace.show_worker("w", queue="runs", in_hand=1)

    def depth(queue: str) -> int:
        if queue == "runs":
            assert transitions.claim(str(others.pop(0).pk), worker="w", lease_s=100)
            return len(others)
        return 0

    monkeypatch.setattr(dispatch, "depth", depth)
    for _ in range(3):
        assert reaper.reap(SETTINGS)["sent_again"] == 0
        clock[0] += LONG_ENOUGH
    assert sent == []


def test_a_pass_sends_nothing_that_another_one_is_about_to_send(
    ask: Ask, sent: list[str], depth: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = ask()
    grow_old(run)
    assert transitions.claim(str(run.pk), worker="w", lease_s=-1)
    meanwhile: list[dict[str, int]] = []
    monkeypatch.setattr(stream, "append_now", lambda *_, **__: meanwhile.append(reaper.reap(SETTINGS)))
    assert reaper.reap(SETTINGS)["taken_back"] == 1
    assert meanwhile == [{"taken_back": 0, "failed": 0, "sent_again": 0}]
    assert sent == [str(run.pk)]


def test_a_pass_that_does_not_end_is_not_covered_up_by_those_after_it(
    ask: Ask, sent: list[str], depth: list[int], clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = ask()
    assert transitions.claim(str(run.pk), worker="w", lease_s=-1)

    def hang(*_: Any, **__: Any) -> None:
        clock[0] += reaper.STUCK_S + 1
        reaper.reap(SETTINGS)

    monkeypatch.setattr(stream, "append_now", hang)
    with pytest.raises(TimeoutError, match="began 61 s ago has not ended"):
        reaper.reap(SETTINGS)


def test_a_worker_that_is_long_gone_is_forgotten(depth: list[int]) -> None:
    keyspace.show_worker("gone", queue="runs", in_hand=7)
    keyspace.sync().zadd(keyspace.workers("runs"), {"gone": time.time() - 100})
    keyspace.show_worker("w", queue="runs", in_hand=0)
    assert keyspace.sync().hkeys(keyspace.held("runs")) == [b"w"]


def test_no_run_is_resent_while_no_worker_lives(
    ask: Ask, sent: list[str], depth: list[int], clock: list[float]
) -> None:
    grow_old(*[ask() for _ in range(3)])
    keyspace.sync().delete(keyspace.workers("runs"))
    for _ in range(3):
        assert reaper.reap(SETTINGS)["sent_again"] == 0
        clock[0] += LONG_ENOUGH


def test_a_run_sent_a_moment_ago_is_not_resent(ask: Ask, sent: list[str], depth: list[int]) -> None:
    ask()
    assert reaper.reap(SETTINGS)["sent_again"] == 0


def test_a_run_that_the_broker_never_took_is_sent(ask: Ask, sent: list[str], depth: list[int]) -> None:
    run = ask()
    grow_old(run)
    transitions.mark_sent(str(run.pk), sent=False)
    depth[0] = 100
    assert reaper.reap(SETTINGS)["sent_again"] == 1
    assert Run.objects.get(pk=run.pk).sent_at is not None


def test_a_run_behind_another_is_not_sent(ask: Ask, sent: list[str], depth: list[int]) -> None:
    first = ask()
    second = ask("two", first.conversation_id)
    assert transitions.claim(str(first.pk), worker="w", lease_s=100)
    grow_old(second)
    assert reaper.reap(SETTINGS)["sent_again"] == 0


def test_while_the_queue_cannot_be_seen_nothing_is_copied(
    ask: Ask, sent: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def down(queue: str) -> int:
        raise Unavailable("down")

    monkeypatch.setattr(dispatch, "depth", down)
    grow_old(ask())
    assert reaper.reap(SETTINGS)["sent_again"] == 0
    assert sent == []
