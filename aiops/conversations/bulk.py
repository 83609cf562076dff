"""Writes many conversations of one question each, in a few statements: the items of a batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from aiops import dispatch
from aiops.conversations.models import Conversation, Message, Run


@dataclass(frozen=True, slots=True)
class Prompt:
    """What is asked: ``messages`` are (role, text), the last one the question."""

    title: str
    messages: Sequence[tuple[str, str]]
    deadline_s: int
    options: dict[str, Any]


def write(prompts: Sequence[Prompt], *, user_id: UUID) -> list[Run]:
    """Write a queued run for each prompt, in order; the caller sends them after the commit (``queueing.send_all``)."""
    conversations = [
        Conversation(user_id=user_id, kind=Conversation.Kind.BATCH, title=p.title, last_position=len(p.messages) + 1)
        for p in prompts
    ]
    said = [
        [Message(conversation=c, position=n, role=role, text=text) for n, (role, text) in enumerate(p.messages, 1)]
        for c, p in zip(conversations, prompts, strict=True)
    ]
    runs = [
        Run(
            conversation=messages[-1].conversation,
            user_id=user_id,
            message=messages[-1],
            position=messages[-1].position,
            queue=dispatch.BATCH_QUEUE,
            deadline_s=p.deadline_s,
            options=p.options,
        )
        for messages, p in zip(said, prompts, strict=True)
    ]
    Conversation.objects.bulk_create(conversations)
    Message.objects.bulk_create([message for messages in said for message in messages])
    return Run.objects.bulk_create(runs)
