"""Reads of the transcript: what people see, and what memory is rebuilt from."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import QuerySet

from aiops.conversations.models import Conversation, Message, Run

MOST_REMEMBERED = 200
"""Messages that memory is rebuilt from; the context window cuts further, by tokens."""


@dataclass(frozen=True, slots=True)
class Utterance:
    """One visible message as plain values."""

    id: str
    role: str
    text: str


def visible(conversation: Conversation) -> QuerySet[Message]:
    """Return the messages that were not rolled back, in order."""
    return Message.objects.filter(conversation=conversation, rolled_back=False).order_by("position")


def before(run: Run) -> list[Utterance]:
    """Return what was said before this run's message and may be remembered, oldest first."""
    rows = Message.objects.filter(
        conversation_id=run.conversation_id,
        rolled_back=False,
        position__gt=run.conversation.memory_from,
        position__lt=run.position,
        role__in=[Message.Role.USER, Message.Role.ASSISTANT],
    ).order_by("-position")[:MOST_REMEMBERED]
    return [Utterance(str(m.pk), m.role, m.text) for m in reversed(rows)]
