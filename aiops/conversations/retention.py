"""How AIOPS_RETENTION selects and removes conversations."""

from __future__ import annotations

from typing import Any

from django.db.models import Exists, OuterRef, QuerySet

from aiops.conversations import deletion, memories
from aiops.conversations.models import Conversation
from aiops.events import stream
from aiops.runs import states
from aiops.runs.models import Run


def idle(state: str, before: Any) -> QuerySet[Conversation]:
    """Return chats without an unfinished run that were last used before this time, oldest first."""
    busy = Run.objects.filter(conversation=OuterRef("pk"), state__in=states.UNFINISHED)
    return Conversation.objects.filter(~Exists(busy), kind=Conversation.Kind.CHAT, updated_at__lt=before).order_by(
        "updated_at"
    )


def remove(due: QuerySet[Conversation]) -> int:
    """Remove conversations with their messages, runs, events and memory."""
    deleted = deletion.delete(due)
    stream.forget(deleted.runs)
    memories.forget(deleted.conversations)
    return len(deleted.conversations)
