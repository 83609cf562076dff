"""Every change of a run's state, each one conditional UPDATE whose row count says whether it happened.

Time is the database's. ``fence`` rises with every claim; a worker's later writes carry it and change nothing once
somebody else has claimed the run.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import Case, DateTimeField, Exists, ExpressionWrapper, F, OuterRef, Q, Value, When
from django.db.models.expressions import Combinable
from django.db.models.functions import Coalesce, Now

from aiops.conversations.models import Conversation, Message, Run

State = Run.State
FAR_S = 60.0
"""Leases of workers with other settings may be this much longer than ours."""


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to work on a run until its lease ends."""

    run_id: str
    fence: int


@dataclass(frozen=True, slots=True)
class Ending:
    """How a run ended; ``steps`` None leaves what is stored."""

    state: str
    answer: str
    steps: list[dict[str, Any]] | None = None
    notices: list[dict[str, str]] = field(default_factory=list)
    usage: dict[str, Any] | None = None
    error: dict[str, Any] | None = None
    remembered: bool = False
    """Whether the agent's memory now holds this conversation."""
    first_delta_ago_s: float | None = None


@dataclass(frozen=True, slots=True)
class TakenBack:
    """What the reaper made of a run whose worker fell silent."""

    run_id: str
    fence: int
    state: str
    error: dict[str, Any] | None = None


def in_seconds(seconds: float) -> Combinable:
    """Return the database's time in ``seconds`` (negative: ago) as an expression."""
    return ExpressionWrapper(Now() + Value(timedelta(seconds=seconds)), output_field=DateTimeField())


def older_unfinished() -> Exists:
    """Return the condition that an earlier run of the same conversation has not ended."""
    return Exists(
        Run.objects.filter(
            conversation=OuterRef("conversation"), state__in=Run.UNFINISHED, position__lt=OuterRef("position")
        )
    )


def claim(run_id: str, *, worker: str, lease_s: float) -> Claim | None:
    """Take a queued run whose turn it is; None when somebody else has it, it ended, or another one is active."""
    try:
        with transaction.atomic():
            turn = Run.objects.filter(~older_unfinished(), pk=run_id, state=State.QUEUED)
            won = turn.filter(cancel_requested_at=None).update(
                state=State.RUNNING,
                fence=F("fence") + 1,
                worker=worker,
                lease_until=in_seconds(lease_s),
                started_at=Coalesce("started_at", Now()),
            )
            if not won:
                return None
            return Claim(str(run_id), Run.objects.values_list("fence", flat=True).get(pk=run_id))
    except IntegrityError:  # the unique index: another run of this conversation is active
        return None


def renew(claims: Iterable[Claim], *, worker: str, lease_s: float) -> tuple[set[Claim], set[Claim]]:
    """Renew a worker's leases with one UPDATE; return (claims still held, those of them asked to cancel)."""
    claims = list(claims)
    mine = Run.objects.filter(pk__in=[c.run_id for c in claims], worker=worker, state=State.RUNNING)
    mine.update(lease_until=in_seconds(lease_s))
    rows = {(str(pk), fence): cancel for pk, fence, cancel in mine.values_list("pk", "fence", "cancel_requested_at")}
    held = {c for c in claims if (c.run_id, c.fence) in rows}
    return held, {c for c in held if rows[c.run_id, c.fence] is not None}


def note_steps(claim: Claim, steps: list[dict[str, Any]]) -> bool:
    """Write the steps so far; False when the claim is lost."""
    return bool(_held(claim).update(steps=steps))


def finish(claim: Claim, ending: Ending) -> bool:
    """Write a run's end and its answer in one transaction; False, with nothing written, when the claim is lost."""
    with transaction.atomic():
        _lock_conversation(claim.run_id)
        changes: dict[str, Any] = {
            "answer": ending.answer,
            "notices": ending.notices,
            "usage": ending.usage,
            "error": ending.error,
        }
        if ending.steps is not None:
            changes["steps"] = ending.steps
        if ending.first_delta_ago_s is not None:
            changes["first_delta_at"] = in_seconds(-ending.first_delta_ago_s)
        if not _held(claim).update(state=ending.state, lease_until=None, finished_at=Now(), **changes):
            return False
        _write_answer(claim.run_id, remembered=ending.remembered)
        return True


def requeue(claim: Claim) -> bool:
    """Put a run back that its worker could not finish before stopping; no attempt is counted."""
    back = {"state": State.QUEUED, "lease_until": None, "worker": "", "sent_at": Now()}
    return bool(_held(claim).filter(cancel_requested_at=None).update(**back))


def shorten_leases(*, lease_s: float) -> int:
    """End leases within ``lease_s`` that last far longer: the clock they were given by was set back since."""
    return Run.objects.filter(state=State.RUNNING, lease_until__gt=in_seconds(lease_s + FAR_S)).update(
        lease_until=in_seconds(lease_s)
    )


def take_back(run_id: str, *, fence: int, max_attempts: int, said: str = "") -> TakenBack | None:
    """Take an expired lease back: queue the run again, or end it when it was cancelled or crashed too often.

    A run that ends keeps what it had ``said``.
    """
    expired = Run.objects.filter(pk=run_id, fence=fence, state=State.RUNNING, lease_until__lt=Now())
    poison = {
        "code": "poisoned",
        "detail": f"The worker died {max_attempts + 1} times while answering this message; it is not tried again.",
        "retry": False,
    }
    last = Q(attempts__gte=max_attempts)
    asked = Q(cancel_requested_at__isnull=False)
    with transaction.atomic():
        _lock_conversation(run_id)
        changed = expired.update(
            state=Case(
                When(asked, then=Value(State.CANCELLED)),
                When(last, then=Value(State.FAILED)),
                default=Value(State.QUEUED),
            ),
            finished_at=Case(When(asked | last, then=Now()), default=None),
            sent_at=Now(),
            attempts=F("attempts") + 1,
            lease_until=None,
            worker="",
        )
        if not changed:
            return None
        state, steps = Run.objects.values_list("state", "steps").get(pk=run_id)
        if state == State.FAILED:
            Run.objects.filter(pk=run_id).update(error=poison)
        if state in Run.ENDED:
            Run.objects.filter(pk=run_id).update(steps=left_open(steps), answer=said)
            _write_answer(run_id, remembered=False)
    return TakenBack(run_id, fence, state, poison if state == State.FAILED else None)


def left_open(steps: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return an ended run's steps: of a call that was still running nobody knows how it went."""
    return [{**step, "status": "unknown"} if step["status"] == "running" else step for step in steps]


def request_cancel(run_ids: Sequence[UUID | str]) -> dict[str, str]:
    """Cancel queued runs at once and ask workers to stop running ones; return the state each had before.

    Runs that had ended are returned with their state and not touched.
    """
    with transaction.atomic():
        before = Run.objects.select_for_update().filter(pk__in=run_ids).order_by("pk").values_list("pk", "state")
        states = {str(pk): state for pk, state in before}
        running = Run.objects.filter(pk__in=run_ids, state=State.RUNNING)
        running.update(cancel_requested_at=Coalesce("cancel_requested_at", Now()))
        Run.objects.filter(pk__in=run_ids, state=State.QUEUED).update(
            state=State.CANCELLED, cancel_requested_at=Now(), finished_at=Now()
        )
    return states


def expire(run_ids: Sequence[UUID | str]) -> list[str]:
    """End those of these runs that nobody has begun, as expired; return them."""
    with transaction.atomic():
        queued = Run.objects.select_for_update().filter(pk__in=run_ids, state=State.QUEUED).order_by("pk")
        ids = list(queued.values_list("pk", flat=True))
        Run.objects.filter(pk__in=ids).update(state=State.EXPIRED, finished_at=Now())
    return [str(pk) for pk in ids]


def roll_back(run_ids: Sequence[UUID | str]) -> None:
    """Hide runs and what was said in them; memory is rebuilt without them."""
    with transaction.atomic():
        Run.objects.filter(pk__in=run_ids).update(rolled_back=True)
        rows = Run.objects.filter(pk__in=run_ids).values_list("message_id", "answer_id")
        Message.objects.filter(pk__in=[pk for pair in rows for pk in pair]).update(rolled_back=True)


def mark_sent(run_id: str, *, sent: bool) -> None:
    """Note that a queued run's id was put on the queue, or that it could not be."""
    Run.objects.filter(pk=run_id, state=State.QUEUED).update(sent_at=Now() if sent else None)


def next_in_line(conversation_id: UUID | str) -> str | None:
    """Return the conversation's oldest unfinished run when it is waiting and free to start."""
    head = Run.objects.filter(conversation_id=conversation_id, state__in=Run.UNFINISHED).order_by("position").first()
    return str(head.pk) if head is not None and head.state == State.QUEUED else None


def _lock_conversation(run_id: str) -> None:
    """Take the conversation's row before the run's, as accepting a message does: so neither waits for the other."""
    mine = Run.objects.filter(pk=run_id).values("conversation")
    list(Conversation.objects.select_for_update(no_key=True).filter(pk__in=mine).values_list("pk"))


def _held(claim: Claim) -> Any:
    return Run.objects.filter(pk=claim.run_id, fence=claim.fence, state=State.RUNNING)


def _write_answer(run_id: str, *, remembered: bool) -> None:
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
