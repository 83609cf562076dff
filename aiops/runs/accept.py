"""Accepts messages: checks limits and ``on_busy``, and writes Message and Run in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now

from aiops import dispatch, metrics
from aiops.attachments import lifecycle as attachments
from aiops.conversations.models import Conversation, Message
from aiops.errors import Conflict, NotFound, TooMany
from aiops.people import accounts
from aiops.people.models import User
from aiops.runs import states, transitions, versions
from aiops.runs.models import Run
from aiops.runs.options import RunOptions
from aiops.runs.sources import Source

OnBusy = Literal["enqueue", "reject", "interrupt", "rollback"]
TITLE_CHARACTERS = 80


@dataclass(frozen=True, slots=True)
class NewMessage:
    """A message for a conversation of its user (None: a new one), and the options of its run."""

    text: str
    options: RunOptions
    conversation_id: UUID | None = None
    attachments: Sequence[UUID] = ()
    on_busy: OnBusy = "enqueue"
    webhook: str = ""
    source: Source = Source.CHAT
    replaces: Run | None = None
    """The run of that conversation whose place it takes, with its attachments."""


@dataclass(frozen=True, slots=True)
class NewItem:
    """A batch item, which gets a conversation of its own: ``messages`` are (role, text), the run answers the last."""

    title: str
    messages: Sequence[tuple[str, str]]
    options: RunOptions
    steps: Sequence[dict[str, Any]] = ()
    """What its last attempt, which failed, has done already."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """The new run, how many are ahead of it, and the runs stopped for it with the state that each had."""

    run: Run
    ahead: int
    stopped: dict[str, str]


def accept(user: User, new: NewMessage, *, max_queued: int) -> Accepted:
    """Write the message and its run; raises NotFound, Conflict (on_busy=reject, an attachment that was sent before,
    a turn that cannot be replaced), TooMany or Unauthenticated.

    Must run inside a transaction, which an error rolls back; the caller calls ``send.send_accepted`` after the commit.
    """
    if new.conversation_id is None:
        # All posts of a user wait for the account's lock, so it is held briefly: these rows are nobody else's yet.
        accepted = Accepted(_write(user, new, _begin(user, new)), 0, {})
        _lock_with_room(user, others=max_queued, of=max_queued)
    else:
        _lock_with_room(user, others=max_queued - 1, of=max_queued)
        conversation = _reserve(user, new.conversation_id, new)
        replaced = versions.replace(new.replaces, at=conversation.last_position - 1) if new.replaces else {}
        ahead, stopped = _apply_on_busy(conversation, new)
        accepted = Accepted(_write(user, new, conversation), ahead, replaced | stopped)
    if new.replaces is not None and new.replaces.message.attachments:
        _attach_again(user, new.replaces.message, accepted.run.message)
    if new.attachments:  # behind the account's lock: they come last in the order of locks
        _attach(user, new, accepted.run.message)
    transaction.on_commit(lambda: metrics.count(metrics.RUNS_ACCEPTED))
    return accepted


def _lock_with_room(user: User, *, others: int, of: int) -> None:
    """Lock the account, so that of two simultaneous posts the second counts the first one's run.

    Raises TooMany when it has more than ``others`` unfinished runs.
    """
    accounts.lock_active(user.pk)
    if Run.objects.filter(user=user, queue=dispatch.RUNS_QUEUE, state__in=states.UNFINISHED).count() > others:
        raise TooMany(
            f"You have {of} unfinished runs, the most one person may have: wait for some or cancel them.",
            code="too_many_runs",
        )


def _write(user: User, new: NewMessage, conversation: Conversation) -> Run:
    message = Message.objects.create(
        conversation=conversation, position=conversation.last_position - 1, role=Message.Role.USER, text=new.text
    )
    run = _new_run(message, new.options, new.source, user_id=user.pk, webhook=new.webhook)
    if new.replaces is not None:
        run.version_of = new.replaces.version_of or new.replaces.pk
        if message.text == new.replaces.message.text:  # asked again, and not something else
            run.steps = transitions.carried_over(new.replaces)
    run.save(force_insert=True)
    return run


def _attach(user: User, new: NewMessage, message: Message) -> None:
    message.attachments = attachments.send(user, new.attachments, message_id=message.pk)
    message.save(update_fields=["attachments"])


def _attach_again(user: User, earlier: Message, message: Message) -> None:
    message.attachments = attachments.send_again(user, earlier_id=earlier.pk, message_id=message.pk)
    message.save(update_fields=["attachments"])


def accept_items(items: Sequence[NewItem], *, user_id: UUID) -> list[Run]:
    """Write a queued run for each item, in order, with three INSERTs; the caller sends them after the commit."""
    conversations = [
        Conversation(
            user_id=user_id, kind=Conversation.Kind.BATCH, title=new.title, last_position=len(new.messages) + 1
        )
        for new in items
    ]
    messages = [
        [Message(conversation=c, position=n, role=role, text=text) for n, (role, text) in enumerate(new.messages, 1)]
        for c, new in zip(conversations, items, strict=True)
    ]
    runs = [
        _new_run(of_item[-1], new.options, Source.BATCH, user_id=user_id, queue=dispatch.BATCH_QUEUE)
        for of_item, new in zip(messages, items, strict=True)
    ]
    for run, new in zip(runs, items, strict=True):
        run.steps = list(new.steps)
    Conversation.objects.bulk_create(conversations)
    Message.objects.bulk_create([message for of_item in messages for message in of_item])
    return Run.objects.bulk_create(runs)


def _new_run(
    message: Message,
    options: RunOptions,
    source: Source,
    *,
    user_id: UUID,
    queue: str = dispatch.RUNS_QUEUE,
    webhook: str = "",
) -> Run:
    """Return the unsaved run of a message: the only constructor of runs."""
    return Run(
        conversation=message.conversation,
        user_id=user_id,
        message=message,
        position=message.position,
        queue=queue,
        source=source.value,
        deadline_s=options.deadline_s,
        options=options.stored(),
        webhook=webhook,
        webhook_due=bool(webhook),
    )


def _apply_on_busy(conversation: Conversation, new: NewMessage) -> tuple[int, dict[str, str]]:
    """Apply ``on_busy`` to unfinished runs; return (number still ahead, those stopped with the state each had)."""
    others = Run.objects.filter(conversation=conversation, state__in=states.UNFINISHED)
    unfinished = list(others.values_list("pk", flat=True))
    if not unfinished or new.on_busy == "enqueue":
        return len(unfinished), {}
    if new.on_busy == "reject":
        raise Conflict(
            "This conversation has an unfinished run: wait for it, or choose another on_busy.", code="conversation_busy"
        )
    stopped = transitions.request_cancel(unfinished)
    if new.on_busy == "rollback":
        transitions.roll_back(unfinished)
    return others.count(), stopped


def _begin(user: User, new: NewMessage) -> Conversation:
    """Return a new conversation, with positions reserved for this message and its answer."""
    return Conversation.objects.create(user=user, title=_title(new.text), last_position=2)


def _reserve(user: User, conversation_id: UUID, new: NewMessage) -> Conversation:
    """Return the user's conversation, with positions reserved for this message and its answer; raises NotFound."""
    mine = Conversation.objects.filter(pk=conversation_id, user=user)
    changed = mine.update(  # its row lock orders concurrent posts
        last_position=F("last_position") + 2,
        updated_at=Now(),
        kind=Conversation.Kind.CHAT,  # a batch item's conversation becomes a chat with the next message
    )
    if not changed:
        raise NotFound("There is no such conversation.")
    mine.filter(title="").update(title=_title(new.text))
    return mine.get()


def _title(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= TITLE_CHARACTERS else line[: TITLE_CHARACTERS - 1].rstrip() + "…"
