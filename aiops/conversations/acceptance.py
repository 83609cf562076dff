"""Takes a message in: checks limits and what else is going on, and writes Message and Run in one transaction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now

from aiops import dispatch, metrics
from aiops.conversations import transitions
from aiops.conversations.models import Conversation, Message, Run
from aiops.errors import Conflict, NotFound, TooMany
from aiops.people.models import User

OnBusy = Literal["enqueue", "reject", "interrupt", "rollback"]
TITLE_CHARACTERS = 80


@dataclass(frozen=True, slots=True)
class Question:
    """What somebody asks."""

    text: str
    conversation_id: UUID | None = None
    on_busy: OnBusy = "enqueue"
    deadline_s: int = 120
    options: dict[str, Any] | None = None
    webhook: str = ""


@dataclass(frozen=True, slots=True)
class Accepted:
    """What was written; ``stopped`` are runs that make way, with the state each had."""

    run: Run
    ahead: int
    stopped: dict[str, str]


def accept(user: User, question: Question, *, max_queued: int) -> Accepted:
    """Write the message and its run; raises NotFound, Conflict (on_busy=reject) or TooMany.

    Must run inside a transaction; the caller dispatches after the commit when ``ahead`` is 0.
    """
    User.objects.select_for_update(no_key=True).get(pk=user.pk)  # of two questions at once the second counts the first
    mine = Run.objects.filter(user=user, queue=dispatch.RUNS_QUEUE, state__in=Run.UNFINISHED)
    if mine.count() >= max_queued:
        raise TooMany(
            f"You have {max_queued} unfinished runs, the most one person may have: wait for some or cancel them.",
            code="too_many_runs",
        )
    conversation = _open(user, question)
    others = Run.objects.filter(conversation=conversation, state__in=Run.UNFINISHED)
    unfinished = list(others.values_list("pk", flat=True)) if question.conversation_id else []
    stopped: dict[str, str] = {}
    if unfinished and question.on_busy == "reject":
        raise Conflict(
            "This conversation is busy: wait for its run, or choose another on_busy.", code="conversation_busy"
        )
    if unfinished and question.on_busy in ("interrupt", "rollback"):
        stopped = transitions.request_cancel(unfinished)
        if question.on_busy == "rollback":
            transitions.roll_back(unfinished)
    ahead = others.count() if stopped else len(unfinished)
    message = Message.objects.create(
        conversation=conversation, position=conversation.last_position - 1, role=Message.Role.USER, text=question.text
    )
    run = Run.objects.create(
        conversation=conversation,
        user=user,
        message=message,
        position=message.position,
        deadline_s=question.deadline_s,
        options=question.options or {},
        webhook=question.webhook,
        webhook_due=bool(question.webhook),
        sent_at=None if ahead else Now(),
    )
    transaction.on_commit(lambda: metrics.count(metrics.RUNS_ACCEPTED))
    return Accepted(run, ahead, stopped)


def _open(user: User, question: Question) -> Conversation:
    """Return the conversation with two more positions reserved: this message's and its answer's."""
    if question.conversation_id is None:
        return Conversation.objects.create(user=user, title=_title(question.text), last_position=2)
    mine = Conversation.objects.filter(pk=question.conversation_id, user=user)
    kind = Conversation.Kind.CHAT  # who asks on where an item of a batch ended has a conversation of their own
    if not mine.update(last_position=F("last_position") + 2, updated_at=Now(), kind=kind):  # the lock orders two posts
        raise NotFound("There is no such conversation.")
    mine.filter(title="").update(title=_title(question.text))
    return mine.get()


def _title(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= TITLE_CHARACTERS else line[: TITLE_CHARACTERS - 1].rstrip() + "…"


def clear_memory(conversation: Conversation) -> None:
    """Make the agent forget all that was said so far; raises Conflict while a run is unfinished."""
    with transaction.atomic():
        if Run.objects.filter(conversation=conversation, state__in=Run.UNFINISHED).exists():
            raise Conflict(
                "A run of this conversation is unfinished: wait for it or cancel it.", code="conversation_busy"
            )
        Conversation.objects.filter(pk=conversation.pk).update(memory_from=F("last_position"), memory_used_at=None)
