"""No sequence of questions, claims, crashes, cancels and clocks breaks what runs promise (hypothesis, stateful)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from django.db import transaction
from django.db.models.functions import Now
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from aiops import database
from aiops.conversations.models import Conversation, Message
from aiops.errors import Conflict
from aiops.people.models import User
from aiops.runs import recovery, states, transitions
from aiops.runs.accept import NewMessage, accept
from aiops.runs.models import Run
from aiops.runs.options import RunOptions
from aiops.runs.states import State
from aiops.runs.transitions import Claim, Ending

MAX_ATTEMPTS = 2
UNFINISHED = ("queued", "running", "waiting_approval")
pytestmark = pytest.mark.django_db(transaction=True)


@dataclass
class Known:
    """What a run must be by now."""

    conversation: str
    position: int
    state: str = "queued"
    fence: int = 0
    attempts: int = 0
    cancel: bool = False
    expired: bool = False
    answer: str = ""
    claims: list[Claim] = field(default_factory=list)


class Runs(RuleBasedStateMachine):
    """The database beside a small model of it."""

    claims: Bundle[tuple[str, Claim]] = Bundle("claims")

    def __init__(self) -> None:
        super().__init__()
        self.user = User.objects.create_user(f"user-{User.objects.count()}", password="correct-horse-battery")
        self.conversations = [str(Conversation.objects.create(user=self.user, title="c").pk) for _ in range(2)]
        self.known: dict[str, Known] = {}
        for conversation in [*self.conversations, *self.conversations]:
            self._ask(conversation, "enqueue")

    def teardown(self) -> None:
        self.user.delete()

    def unfinished(self, conversation: str) -> list[str]:
        mine = [(k.position, pk) for pk, k in self.known.items() if k.conversation == conversation]
        return [pk for _, pk in sorted(mine) if self.known[pk].state in UNFINISHED]

    def one(self, data: st.DataObject) -> str:
        """Choose a run, more often one that has not ended."""
        open_ = [pk for pk, known in self.known.items() if known.state in UNFINISHED]
        return data.draw(st.sampled_from(sorted(open_) * 3 + sorted(self.known)))

    @rule(data=st.data(), on_busy=st.sampled_from(["enqueue", "reject", "interrupt", "rollback"]))
    def ask(self, data: st.DataObject, on_busy: str) -> None:
        self._ask(data.draw(st.sampled_from(self.conversations)), on_busy)

    def _ask(self, conversation: str, on_busy: str) -> None:
        busy = self.unfinished(conversation)
        try:
            with transaction.atomic():
                question = NewMessage("q", RunOptions(deadline_s=120), conversation_id=conversation, on_busy=on_busy)  # type: ignore[arg-type]
                run = accept(self.user, question, max_queued=1_000).run
        except Conflict:
            assert busy
            assert on_busy == "reject"
            return
        assert not (busy and on_busy == "reject")
        if on_busy in ("interrupt", "rollback"):
            for pk in busy:
                self.request_stop(pk)
        self.known[str(run.pk)] = Known(conversation, run.position)

    def request_stop(self, pk: str) -> None:
        known = self.known[pk]
        if known.state in ("queued", "waiting_approval"):
            known.state = "cancelled"
        elif known.state == "running":
            known.cancel = True

    @rule(data=st.data(), target=claims)
    def claim(self, data: st.DataObject) -> Any:
        return self._claim(self.one(data)) or multiple()

    def _claim(self, pk: str) -> tuple[str, Claim] | None:
        known = self.known[pk]
        mine_to_have = known.state == "queued" and self.unfinished(known.conversation)[0] == pk
        claimed = transitions.claim(pk, worker="w", lease_s=60)
        assert (claimed is not None) == mine_to_have
        if claimed is None:
            return None
        made = claimed.claim
        assert made.fence == known.fence + 1
        known.state, known.fence, known.expired = "running", made.fence, False
        return pk, made

    def holds(self, pk: str, claim: Claim) -> bool:
        return self.known[pk].state == "running" and self.known[pk].fence == claim.fence

    @rule(
        held=consumes(claims),
        state=st.sampled_from([State.SUCCEEDED, State.FAILED, State.CANCELLED]),
        text=st.text("ab"),
    )
    def finish(self, held: tuple[str, Claim], state: str, text: str) -> None:
        pk, claim = held
        mine = self.holds(pk, claim)
        assert bool(transitions.finish(claim, Ending(state, text))) == mine
        if mine:
            self.known[pk].state, self.known[pk].answer = str(state), text

    @rule(held=claims)
    def note(self, held: tuple[str, Claim]) -> None:
        assert transitions.write_steps(held[1], [{"call_id": "a", "status": "running"}]) == self.holds(*held)

    @rule(held=claims)
    def renew(self, held: tuple[str, Claim]) -> None:
        kept, cancelled = transitions.renew([held[1]], worker="w", lease_s=60)
        assert bool(kept) == self.holds(*held)
        assert bool(cancelled) == (bool(kept) and self.known[held[0]].cancel)
        if self.known[held[0]].state == "running":
            self.known[held[0]].expired = False

    @rule(held=consumes(claims))
    def drain(self, held: tuple[str, Claim]) -> None:
        known = self.known[held[0]]
        goes_back = self.holds(*held) and not known.cancel
        assert transitions.requeue(held[1]) == goes_back
        if goes_back:
            known.state = "queued"

    @rule(data=st.data())
    def let_a_lease_end(self, data: st.DataObject) -> None:
        pk = self.one(data)
        if self.known[pk].state == "running":
            Run.objects.filter(pk=pk).update(lease_until=database.in_seconds(-1))
            self.known[pk].expired = True

    @rule()
    def set_the_clock_back(self) -> None:
        Run.objects.filter(state=State.RUNNING, lease_until__gt=Now()).update(lease_until=database.in_seconds(99_999))
        recovery.shorten_leases(lease_s=60)
        assert not Run.objects.filter(lease_until__gt=database.in_seconds(60 + recovery.FAR_S)).exists()

    @rule(data=st.data(), target=claims)
    def crash_and_claim_again(self, data: st.DataObject) -> Any:
        """Make late workers common: the lease ends, is taken back, and somebody else claims."""
        pk = self.one(data)
        if self.known[pk].state == "running":
            Run.objects.filter(pk=pk).update(lease_until=database.in_seconds(-1))
            self.known[pk].expired = True
            self._take_back(pk, stale=False)
        return self._claim(pk) or multiple()

    @rule(data=st.data(), stale=st.booleans())
    def take_back(self, data: st.DataObject, stale: bool) -> None:
        self._take_back(self.one(data), stale=stale)

    def _take_back(self, pk: str, *, stale: bool) -> None:
        known = self.known[pk]
        due = known.state == "running" and known.expired and not stale
        taken = recovery.take_back(pk, fence=known.fence - stale, max_attempts=MAX_ATTEMPTS, partial=known.answer)
        assert (taken is not None) == due
        if taken is None:
            return
        known.state = "cancelled" if known.cancel else "failed" if known.attempts >= MAX_ATTEMPTS else "queued"
        known.attempts += 1
        assert taken.state == known.state

    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        pk = self.one(data)
        assert transitions.request_cancel([pk]) == {pk: self.known[pk].state}
        self.request_stop(pk)

    @invariant()
    def rows_are_what_they_must_be(self) -> None:
        rows = Run.objects.filter(user=self.user)
        seen = {str(run.pk): (run.state, run.fence, run.attempts, run.answer) for run in rows}
        assert seen == {pk: (k.state, k.fence, k.attempts, k.answer) for pk, k in self.known.items()}
        assert all((run.finished_at is not None) == (run.state in states.ENDED) for run in rows)
        assert all((run.lease_until is not None) == (run.state == State.RUNNING) for run in rows)

    @invariant()
    def a_conversation_has_one_active_run_at_most(self) -> None:
        for conversation in self.conversations:
            assert Run.objects.filter(conversation=conversation, state__in=states.ACTIVE).count() <= 1

    @invariant()
    def every_answer_is_said_once(self) -> None:
        said = Message.objects.filter(conversation__user=self.user, role=Message.Role.ASSISTANT)
        expected = sorted(k.answer for k in self.known.values() if k.answer and k.state not in UNFINISHED)
        assert sorted(said.values_list("text", flat=True)) == expected


CALM = settings(
    max_examples=40,
    stateful_step_count=30,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)


def test_no_sequence_of_transitions_breaks_the_invariants_of_runs() -> None:
    run_state_machine_as_test(Runs, settings=CALM)  # type: ignore[no-untyped-call]
