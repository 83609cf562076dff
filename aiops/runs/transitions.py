"""Every change of a run's state: one conditional UPDATE each, whose row count says whether it happened.

Time is the database's. ``fence`` is a fencing token: every claim increments it, and a worker's later writes carry it,
so that they change nothing once another worker has claimed the run. ``aiops.locks`` documents the order of locks.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import Exists, F, OuterRef, Q
from django.db.models.functions import Coalesce, Now

from aiops import database, dispatch
from aiops.approvals import closing
from aiops.conversations.models import Conversation, Message
from aiops.locks import lock
from aiops.people.models import User
from aiops.runs import states
from aiops.runs.models import Run
from aiops.runs.states import State


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to work on a run until its lease ends."""

    run_id: str
    fence: int


@dataclass(frozen=True, slots=True)
class Claimed:
    """A claim, and the row with its message as they were at that moment."""

    claim: Claim
    run: Run
    user_name: str = ""


@dataclass(frozen=True, slots=True)
class Ending:
    """How a run ended; ``steps`` None leaves the stored ones."""

    state: State
    answer: str
    steps: list[dict[str, Any]] | None = None
    notices: list[dict[str, str]] = field(default_factory=list)
    usage: dict[str, Any] | None = None
    error: dict[str, Any] | None = None
    remembered: bool = False
    """Whether the agent's memory holds this conversation now."""
    first_delta_ago_s: float | None = None
    asked_people: bool = False
    """Whether people were asked about calls of this run."""


@dataclass(frozen=True, slots=True)
class Finished:
    """The end of a run has been written; ``has_followers`` when its conversation has later messages."""

    has_followers: bool


def older_unfinished() -> Exists:
    """Return the condition that an earlier run of the same conversation has not ended."""
    return Exists(
        Run.objects.filter(
            conversation=OuterRef("conversation"), state__in=states.UNFINISHED, position__lt=OuterRef("position")
        )
    )


def may_begin() -> Q:
    """Return the condition that a run's owner is active; an item that its batch has started continues in any case."""
    active = Exists(User.objects.filter(pk=OuterRef("user"), is_active=True))
    return Q(queue=dispatch.BATCH_QUEUE) | Q(active)


def claim(run_id: str, *, worker: str, lease_s: float) -> Claimed | None:
    """Claim a queued run; None when it has ended, is claimed, must wait for an older run, or its owner is locked."""
    try:
        with transaction.atomic():
            turn = Run.objects.filter(~older_unfinished(), pk=run_id, state=State.QUEUED)
            won = turn.filter(cancel_requested_at=None).update(
                state=State.RUNNING,
                fence=F("fence") + 1,
                worker=worker,
                lease_until=database.in_seconds(lease_s),
                started_at=Coalesce("started_at", Now()),
            )
            if not won:
                return None
            rows = Run.objects.select_related("message")
            run = rows.annotate(owner_active=F("user__is_active"), owner_name=F("user__username")).get(pk=run_id)
            if not run.owner_active and run.queue != dispatch.BATCH_QUEUE:  # may_begin would slow each claim
                transaction.set_rollback(True)
                return None
            return Claimed(Claim(str(run_id), run.fence), run, run.owner_name)
    except IntegrityError:  # the unique index: another run of this conversation is active
        return None


def renew(claims: Iterable[Claim], *, worker: str, lease_s: float) -> tuple[set[Claim], set[Claim]]:
    """Renew a worker's leases with one UPDATE; return (claims still held, those of them to be cancelled)."""
    claims = list(claims)
    mine = Run.objects.filter(pk__in=[c.run_id for c in claims], worker=worker, state=State.RUNNING)
    with transaction.atomic():  # an UPDATE alone would lock rows in any order: two could deadlock
        locked = mine.select_for_update(no_key=True).order_by("pk").values_list("pk", "fence", "cancel_requested_at")
        rows = {(str(pk), fence): cancel for pk, fence, cancel in locked}
        mine.update(lease_until=database.in_seconds(lease_s))
    kept = {c for c in claims if (c.run_id, c.fence) in rows}
    return kept, {c for c in kept if rows[c.run_id, c.fence] is not None}


def write_steps(claim: Claim, steps: list[dict[str, Any]]) -> bool:
    """Write the steps so far; False when the claim is lost."""
    return bool(held(claim).update(steps=steps))


def finish(claim: Claim, ending: Ending) -> Finished | None:
    """Write a run's end and its answer in one transaction; None, with nothing written, when the claim is lost."""
    with transaction.atomic():
        last_position = lock_conversation(claim.run_id)
        changes: dict[str, Any] = {
            "answer": ending.answer,
            "notices": ending.notices,
            "usage": ending.usage,
            "error": ending.error,
        }
        if ending.steps is not None:
            changes["steps"] = ending.steps
        if ending.first_delta_ago_s is not None:
            changes["first_delta_at"] = Coalesce("first_delta_at", database.in_seconds(-ending.first_delta_ago_s))
        if not held(claim).update(state=ending.state, lease_until=None, finished_at=Now(), **changes):
            return None
        if ending.asked_people:
            closing.close([claim.run_id])
        position = write_answer(claim.run_id, remembered=ending.remembered)
        return Finished(has_followers=last_position > position + 1)


def requeue(claim: Claim) -> bool:
    """Requeue a run that its draining worker could not finish; no attempt is counted."""
    mine = held(claim).filter(cancel_requested_at=None)
    return bool(mine.update(state=State.QUEUED, lease_until=None, worker="", sent_at=None))


def mark_unknown(steps: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return an ended run's steps, with calls that were still running as of unknown outcome."""
    return [{**step, "status": "unknown"} if step["status"] == "running" else step for step in steps]


def carried_over(run: Run) -> list[dict[str, Any]]:
    """Return what a run that failed has done, for one that takes its place: calls with effects are not made again."""
    made = [step for step in run.steps if not step["safe"] and step["status"] in ("ok", "error")]
    return made if run.state == State.FAILED else []


def request_cancel(run_ids: Sequence[UUID | str]) -> dict[str, str]:
    """Cancel runs that no worker holds, and request a stop of the others; return the state that each had.

    Ended runs are returned with their state, unchanged. What those that waited for a decision had said stays.
    """
    with transaction.atomic():
        holders = Run.objects.filter(pk__in=run_ids).values("conversation")
        lock(Conversation.objects.filter(pk__in=holders))  # before the runs: they get the words of those that wait
        rows = Run.objects.select_for_update(no_key=True).filter(pk__in=run_ids).order_by("pk")
        before = {str(pk): state for pk, state in rows.values_list("pk", "state")}
        with_worker = Run.objects.filter(pk__in=run_ids, state__in=states.HOLDS_WORKER)
        with_worker.update(cancel_requested_at=Coalesce("cancel_requested_at", Now()))
        Run.objects.filter(pk__in=run_ids, state__in=states.STOPS_AT_ONCE).update(
            state=State.CANCELLED, cancel_requested_at=Now(), finished_at=Now()
        )
        at_once = [pk for pk, state in before.items() if state in states.STOPS_AT_ONCE]
        for run_id in Run.objects.filter(pk__in=at_once).exclude(answer="").values_list("pk", flat=True):
            write_answer(str(run_id), remembered=False)
        closing.close(at_once)
    return before


def expire(run_ids: Sequence[UUID | str]) -> list[str]:
    """Expire those of these runs that were never begun; return their ids."""
    with transaction.atomic():
        ids = lock(Run.objects.filter(pk__in=run_ids, state=State.QUEUED, started_at=None))
        Run.objects.filter(pk__in=ids).update(state=State.EXPIRED, finished_at=Now())
    return [str(pk) for pk in ids]


def roll_back(run_ids: Sequence[UUID | str]) -> None:
    """Hide runs with their messages; memory is rebuilt without them."""
    with transaction.atomic():
        Run.objects.filter(pk__in=run_ids).update(rolled_back=True)
        rows = Run.objects.filter(pk__in=run_ids).values_list("message_id", "answer_id")
        Message.objects.filter(pk__in=[pk for pair in rows for pk in pair]).update(rolled_back=True)


def mark_sent(run_id: str, *, sent: bool) -> None:
    """Record whether the broker has accepted a queued run's id."""
    Run.objects.filter(pk=run_id, state=State.QUEUED).update(sent_at=Now() if sent else None)


def next_in_line(conversation_id: UUID | str) -> Run | None:
    """Return the conversation's oldest unfinished run, if it is queued."""
    unfinished = Run.objects.filter(conversation_id=conversation_id, state__in=states.UNFINISHED)
    head = unfinished.only("queue", "state").order_by("position").first()
    return head if head is not None and head.state == State.QUEUED else None


def lock_conversation(run_id: str) -> int:
    """Lock the conversation of a run that is about to end, before the run; return its last position, 0 without one."""
    mine = Run.objects.filter(pk=run_id).values("conversation")
    rows = Conversation.objects.select_for_update(no_key=True).filter(pk__in=mine)
    return next(iter(rows.values_list("last_position", flat=True)), 0)


def held(claim: Claim) -> Any:
    """Return the run of a claim, if the claim still holds."""
    return Run.objects.filter(pk=claim.run_id, fence=claim.fence, state=State.RUNNING)


def write_answer(run_id: str, *, remembered: bool) -> int:
    """Write the answer of an ended run as a message, and return the run's position; the conversation is locked."""
    run = Run.objects.only("conversation_id", "answer_id", "answer", "position", "rolled_back").get(pk=run_id)
    if run.answer:
        answer = Message(
            pk=run.answer_id,
            conversation_id=run.conversation_id,
            position=run.position + 1,
            role=Message.Role.ASSISTANT,
            text=run.answer,
            rolled_back=run.rolled_back,
        )
        Message.objects.bulk_create([answer], ignore_conflicts=True)
    used: dict[str, Any] = {"memory_used_at": Now()} if remembered else {}
    Conversation.objects.filter(pk=run.conversation_id).update(updated_at=Now(), **used)
    return run.position
