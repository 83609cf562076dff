"""Reads of the transcript: messages to show, and messages to rebuild memory from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet

from aiops.conversations.models import Conversation, Message

MAX_REMEMBERED = 200
"""Most messages that memory is rebuilt from; the window middleware trims further, by tokens."""


@dataclass(frozen=True, slots=True)
class PastMessage:
    """A visible message as plain values."""

    id: str
    role: str
    text: str
    attachments: tuple[dict[str, Any], ...] = ()
    """What was sent with it: {id, name, bytes} of each."""


def visible(conversation: Conversation) -> QuerySet[Message]:
    """Return the messages that were not rolled back, in order."""
    return Message.objects.filter(conversation=conversation, rolled_back=False).order_by("position")


def before(conversation: Conversation, *, position: int) -> list[PastMessage]:
    """Return the messages before this position that memory may hold, oldest first."""
    rows = Message.objects.filter(
        conversation=conversation,
        rolled_back=False,
        position__gt=conversation.memory_from,
        position__lt=position,
        role__in=[Message.Role.USER, Message.Role.ASSISTANT],
    ).order_by("-position")[:MAX_REMEMBERED]
    return [PastMessage(str(m.pk), m.role, m.text, tuple(m.attachments or ())) for m in reversed(rows)]
