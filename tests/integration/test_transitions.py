"""The run's state machine: one claim wins, the fence guards, order holds, crashes are counted."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.db.models.functions import Now

from aiops import dispatch
from aiops.conversations import memories
from aiops.conversations.models import Conversation, Message
from aiops.errors import Conflict, NotFound, TooMany, Unauthenticated
from aiops.people.models import User
from aiops.runs import accept, recovery, transitions
from aiops.runs.accept import NewMessage
from aiops.runs.models import Run
from aiops.runs.options import RunOptions
from aiops.runs.states import State
from aiops.runs.transitions import Ending

Ask = Callable[..., Run]
pytestmark = pytest.mark.django_db


def claim(run: Run, lease_s: float = 10) -> transitions.Claim | None:
    claimed = transitions.claim(str(run.pk), worker="w", lease_s=lease_s)
    return claimed and claimed.claim


def state(run: Run) -> str:
    return Run.objects.values_list("state", flat=True).get(pk=run.pk)


@pytest.mark.django_db(transaction=True)
def test_of_twenty_claims_at_once_one_wins(ask: Ask) -> None:
    run = ask()
    won: list[transitions.Claim | None] = []

    def try_it() -> None:
        won.append(claim(run))
        connection.close()

    threads = [threading.Thread(target=try_it) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len([c for c in won if c]) == 1
    assert Run.objects.get(pk=run.pk).fence == 1


@pytest.mark.django_db(transaction=True)
def test_two_questions_at_once_get_places_in_order(ask: Ask) -> None:
    first = ask()

    def again() -> None:
        ask("more", first.conversation_id)
        connection.close()

    threads = [threading.Thread(target=again) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    positions = sorted(Run.objects.filter(conversation=first.conversation_id).values_list("position", flat=True))
    assert positions == [1 + 2 * n for n in range(9)]


def test_a_claim_takes_only_the_oldest_unfinished_run(ask: Ask) -> None:
    first = ask()
    second = ask("more", first.conversation_id)
    assert claim(second) is None
    held = claim(first)
    assert held is not None
    assert claim(second) is None
    assert transitions.finish(held, Ending(State.SUCCEEDED, "done"))
    assert transitions.next_in_line(first.conversation_id) == second
    assert claim(second) is not None


def test_a_locked_users_question_begins_only_when_the_user_is_unlocked(ask: Ask, user: User) -> None:
    run = ask()
    User.objects.filter(pk=user.pk).update(is_active=False)
    assert claim(run) is None
    assert state(run) == State.QUEUED
    User.objects.filter(pk=user.pk).update(is_active=True)
    assert claim(run) is not None


def test_an_item_that_a_batch_has_started_is_not_held_back_by_a_lock(ask: Ask, user: User) -> None:
    """It would take the place of other people's items for as long as its owner is locked."""
    run = ask()
    Run.objects.filter(pk=run.pk).update(queue=dispatch.BATCH_QUEUE)
    User.objects.filter(pk=user.pk).update(is_active=False)
    assert claim(run) is not None


def test_a_question_of_somebody_who_was_locked_meanwhile_is_refused(ask: Ask, user: User) -> None:
    User.objects.filter(pk=user.pk).update(is_active=False)
    with pytest.raises(Unauthenticated):
        ask()
    assert not Message.objects.exists()


def test_an_ended_run_cannot_be_claimed(ask: Ask) -> None:
    run = ask()
    held = claim(run)
    assert held is not None
    transitions.finish(held, Ending(State.SUCCEEDED, "done"))
    assert claim(run) is None


def test_the_answer_is_written_once_by_the_holder_of_the_fence(ask: Ask) -> None:
    run = ask()
    old = claim(run, lease_s=-1)
    assert old is not None
    taken = recovery.take_back(str(run.pk), fence=old.fence, max_attempts=3)
    assert taken is not None
    new = claim(run)
    assert new is not None
    assert new.fence == old.fence + 1
    assert not transitions.finish(old, Ending(State.SUCCEEDED, "from the dead"))
    assert not transitions.write_steps(old, [{"x": 1}])
    assert transitions.finish(new, Ending(State.SUCCEEDED, "once"))
    assert [m.text for m in Message.objects.filter(role="assistant")] == ["once"]


def test_a_run_that_crashes_too_often_is_poisoned(ask: Ask) -> None:
    run = ask()
    for attempt in range(4):
        held = claim(run, lease_s=-1)
        assert held is not None
        taken = recovery.take_back(str(run.pk), fence=held.fence, max_attempts=3)
        assert taken is not None
        assert taken.state == (State.FAILED if attempt == 3 else State.QUEUED)
    failed = Run.objects.get(pk=run.pk)
    assert failed.error["code"] == "poisoned"
    assert failed.attempts == 4
    assert failed.finished_at is not None


def test_a_live_lease_is_not_taken_back(ask: Ask) -> None:
    run = ask()
    held = claim(run)
    assert held is not None
    assert recovery.take_back(str(run.pk), fence=held.fence, max_attempts=3) is None


def test_a_taken_back_run_that_was_to_be_cancelled_is_cancelled(ask: Ask) -> None:
    run = ask()
    held = claim(run, lease_s=-1)
    assert held is not None
    transitions.request_cancel([run.pk])
    taken = recovery.take_back(str(run.pk), fence=held.fence, max_attempts=3)
    assert taken is not None
    assert taken.state == State.CANCELLED


def test_renewing_returns_lost_leases_and_requests_to_cancel(ask: Ask) -> None:
    runs = [ask() for _ in range(3)]
    held = [claim(run) for run in runs]
    assert all(held)
    Run.objects.filter(pk=runs[0].pk).update(worker="another")
    transitions.request_cancel([runs[1].pk])
    kept, cancelled = transitions.renew([h for h in held if h], worker="w", lease_s=10)
    assert kept == {held[1], held[2]}
    assert cancelled == {held[1]}


def test_draining_counts_no_attempt(ask: Ask) -> None:
    run = ask()
    held = claim(run)
    assert held is not None
    assert transitions.requeue(held)
    fresh = Run.objects.get(pk=run.pk)
    assert (fresh.state, fresh.attempts, fresh.worker) == (State.QUEUED, 0, "")


def test_cancelling_a_queued_run_ends_it_and_a_running_one_is_asked(ask: Ask) -> None:
    queued, running = ask(), ask()
    claim(running)
    before = transitions.request_cancel([queued.pk, running.pk])
    assert before == {str(queued.pk): State.QUEUED, str(running.pk): State.RUNNING}
    assert state(queued) == State.CANCELLED
    assert state(running) == State.RUNNING
    assert Run.objects.get(pk=running.pk).cancel_requested_at is not None


@pytest.mark.parametrize("on_busy", ["interrupt", "rollback"])
def test_interrupting_a_conversation_stops_its_unfinished_runs(ask: Ask, on_busy: str) -> None:
    first = ask("one")
    claim(first)
    second = ask("two", first.conversation_id)
    third = ask("three", first.conversation_id, on_busy=on_busy)
    assert Run.objects.get(pk=first.pk).cancel_requested_at is not None
    assert state(second) == State.CANCELLED
    assert third.sent_at is None  # it waits for the first to stop
    hidden = on_busy == "rollback"
    assert [m.rolled_back for m in Message.objects.order_by("position")] == [hidden, hidden, False]


def test_reject_refuses_and_writes_nothing(ask: Ask) -> None:
    first = ask("one")
    with pytest.raises(Conflict):
        ask("two", first.conversation_id, on_busy="reject")
    assert Message.objects.count() == 1


def test_a_strangers_conversation_is_not_found(ask: Ask) -> None:
    first = ask("one")
    with pytest.raises(NotFound):
        ask("two", first.conversation_id, user=User.objects.create_user("eve"))


def test_a_user_has_a_limited_number_of_unfinished_runs(user: User) -> None:
    for _ in range(3):
        accept.accept(user, NewMessage("x", RunOptions(deadline_s=120)), max_queued=3)
    Run.objects.update(sent_at=Now() - timedelta(hours=1))
    with pytest.raises(TooMany), transaction.atomic():
        accept.accept(user, NewMessage("x", RunOptions(deadline_s=120)), max_queued=3)
    assert Conversation.objects.count() == 3
    of = Conversation.objects.latest("pk").pk
    with pytest.raises(TooMany), transaction.atomic():
        accept.accept(user, NewMessage("x", RunOptions(deadline_s=120), conversation_id=of), max_queued=3)
    assert Conversation.objects.get(pk=of).last_position == 2


def test_memory_is_not_cleared_under_a_run(ask: Ask) -> None:
    run = ask()
    with pytest.raises(Conflict):
        memories.clear(run.conversation)


def test_the_partial_answer_of_an_interrupted_run_is_kept(ask: Ask) -> None:
    run = ask()
    held = claim(run)
    assert held is not None
    transitions.finish(held, Ending(State.CANCELLED, "half of"))
    assert Message.objects.get(pk=run.answer_id).text == "half of"
