"""No sequence of questions, claims, crashes, decisions, expiries and cancels makes an approved call twice."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

import pytest
from django.conf import settings as django_settings
from django.db import transaction
from django.db.models.functions import Now
from hypothesis import strategies as st
from hypothesis.stateful import consumes, invariant, rule, run_state_machine_as_test

from aiops.approvals import asking, expiring, permitting, resuming
from aiops.approvals.deciding import Decided, decide
from aiops.approvals.models import Approval, ApprovalItem
from aiops.approvals.values import (
    GRANTED,
    ApprovalState,
    Choice,
    ItemState,
    Outcome,
    Permit,
    PlannedCall,
    Question,
    Verdict,
)
from aiops.errors import Conflict
from aiops.events.redaction import Redactor
from aiops.runs import parking, transitions
from aiops.runs.models import Run
from aiops.runs.states import State
from aiops.runs.transitions import Claim, Ending
from tests.integration.approvals.conftest import RESTART
from tests.integration.test_state_machine import CALM, Runs

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("sent")]
SETTINGS = django_settings.SETTINGS
MESSAGE = {"type": "ai", "data": {"id": "m"}, "results": []}
STEP = [{"call_id": "a", "name": RESTART.name, "status": "running", "safe": False}]


class Approvals(Runs):
    """Runs that also wait for people, beside the model of them."""

    def __init__(self) -> None:
        self.made: Counter[str] = Counter()
        self.granted: Counter[str] = Counter()
        super().__init__()

    @rule(held=consumes(Runs.claims), text=st.text("ab"))
    def park(self, held: tuple[str, Claim], text: str) -> None:
        """A worker asks about a call, unless the run must stop or the claim is lost."""
        pk, claim = held
        known = self.known[pk]
        call = PlannedCall(0, f"{pk}:{known.fence}", RESTART.name, RESTART, {"host": "a"})
        question = Question(call, Verdict(Outcome.ASK_USER, "standard"))
        parks = self.holds(pk, claim) and not known.cancel
        with transaction.atomic():
            parked = parking.park(claim, Ending(State.WAITING_APPROVAL, text, steps=[]))
            assert parked == parks
            if parked:
                asking.open_approval(
                    pk,
                    requester_id=str(self.user.pk),
                    message=MESSAGE,
                    reason="",
                    asked=[question],
                    redactor=Redactor(),
                    expires_s=600,
                )
        if parks:
            known.state, known.answer = "waiting_approval", text

    @rule(data=st.data(), choice=st.sampled_from([Choice.APPROVE, Choice.REJECT]))
    def decide(self, data: st.DataObject, choice: Choice) -> None:
        """Somebody decides, perhaps about what is decided already."""
        rows = list(ApprovalItem.objects.filter(approval__requester=self.user).order_by("pk"))
        if not rows:
            return
        item = data.draw(st.sampled_from(rows))
        pk = str(item.approval.run_id)
        waits = self.known[pk].state == "waiting_approval" and item.state == ItemState.PENDING
        try:
            decide(self.user, item.approval_id, [Decided(item.pk, choice)])
        except Conflict:
            assert not waits
            return
        assert waits
        self.known[pk].state = "queued"
        self.granted[pk] += choice is Choice.APPROVE

    @rule(data=st.data())
    def expire(self, data: st.DataObject) -> None:
        """The time of an approval is over."""
        pk = self.one(data)
        Approval.objects.filter(run=pk).update(expires_at=Now() - timedelta(seconds=1))
        expected = int(self.known[pk].state == "waiting_approval")
        assert expiring.expire(SETTINGS)["expired"] == expected
        if expected:
            self.known[pk].state = "queued"

    @rule(held=Runs.claims, dies=st.booleans())
    def call(self, held: tuple[str, Claim], dies: bool) -> None:
        """A worker makes what is approved and perhaps dies before it has said so; a later one finds that out."""
        pk, claim = held
        step = resuming.step_of(claim) if self.holds(pk, claim) else None
        for decision in step.decisions if step is not None else ():
            if decision.state not in GRANTED:
                continue
            with transaction.atomic():
                begins = transitions.write_steps(claim, STEP) and permitting.begin(Permit({}, item=decision.item))
            if begins:
                self.made[decision.item] += 1
                if not dies:
                    permitting.end(decision.item, status="ok", preview="")

    @invariant()
    def every_approved_call_is_made_once_at_most(self) -> None:
        assert all(count == 1 for count in self.made.values())
        assert len(self.made) <= sum(self.granted.values())

    @invariant()
    def what_waits_is_what_people_are_asked(self) -> None:
        waiting = {pk for pk, known in self.known.items() if known.state == "waiting_approval"}
        pending = Approval.objects.filter(requester=self.user, state=ApprovalState.PENDING)
        assert {str(run) for run in pending.values_list("run", flat=True)} == waiting
        open_ = ApprovalItem.objects.filter(approval__requester=self.user, state=ItemState.PENDING)
        assert {str(run) for run in open_.values_list("approval__run", flat=True)} == waiting

    @invariant()
    def what_has_ended_can_be_called_no_more(self) -> None:
        cancelled = Run.objects.filter(user=self.user, state=State.CANCELLED, worker="")
        assert not ApprovalItem.objects.filter(approval__run__in=cancelled, state__in=GRANTED).exists()


def test_no_sequence_of_decisions_breaks_what_approvals_promise() -> None:
    run_state_machine_as_test(Approvals, settings=CALM)  # type: ignore[no-untyped-call]
