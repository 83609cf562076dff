"""Database reads of a run, called in a thread: its assignment, and what memory lacks of the transcript."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any
from uuid import UUID

from aiops.approvals import policies, resuming
from aiops.conversations import transcript
from aiops.conversations.models import Conversation, Message
from aiops.events import stream
from aiops.llm.values import Models
from aiops.runs.models import Run
from aiops.runs.options import RunOptions
from aiops.runs.sources import Source
from aiops.runs.states import State
from aiops.runs.transitions import Claimed
from aiops.runs.work.context import Assignment, MemoryGap

MEMORY_UNAVAILABLE = "memory_unavailable"
"""Code of the notice that memory failed during a run: it may lack that run's answer."""

SchemaOf = Callable[[UUID], dict[str, Any] | None]


def assignment(claimed: Claimed, schema_of: SchemaOf, models: Models) -> Assignment:
    """Return a claimed run as plain values; ``schema_of`` returns the schema that the answer must match."""
    run = claimed.run
    options = RunOptions.of(run.options, default_deadline_s=run.deadline_s)
    return Assignment(
        claim=claimed.claim,
        conversation_id=str(run.conversation_id),
        message_id=str(run.message_id),
        answer_id=str(run.answer_id),
        text=run.message.text,
        attachments=tuple(run.message.attachments or ()),
        attempt=run.attempts + 1,
        worker=run.worker,
        options=options,
        steps=tuple(run.steps),
        position=run.position,
        queue=run.queue,
        since=time.monotonic(),
        user_id=str(run.user_id),
        user_name=claimed.user_name,
        models=models,
        answer_schema=json.dumps(schema_of(run.pk)) if options.answer_schema else "",
        source=Source(run.source),
        policies=policies.current(),
        step=resuming.step_of(claimed.claim) if run.fence > 1 else None,  # nobody was asked before the first claim
        notices=tuple(run.notices),
        usage=run.usage,
        partial=run.answer,
    )


def memory_gap(run_id: str, remembered_run: str | None) -> MemoryGap:
    """Compare memory, last written by ``remembered_run`` (None: there is none), with the transcript.

    A cancelled or failed run may have left less in memory than people read; the missing messages are added.
    """
    run = Run.objects.select_related("conversation").get(pk=run_id)
    last = Run.objects.filter(pk=remembered_run, conversation=run.conversation_id).first() if remembered_run else None
    everything = transcript.before(run.conversation, position=run.position)
    if last is None or last.rolled_back or last.position <= run.conversation.memory_from:
        earlier = Run.objects.filter(conversation=run.conversation_id, position__lt=run.position)
        return MemoryGap(
            tuple(everything),
            stale=remembered_run is not None,
            forgotten=bool(everything) and earlier.exists(),
        )
    lost = any(notice["code"] == MEMORY_UNAVAILABLE for notice in last.notices)
    known = last.position + (1 if last.state == State.SUCCEEDED and not lost else 0)
    later = Message.objects.filter(conversation=run.conversation_id, position__gt=known, position__lt=run.position)
    newer = {str(pk) for pk in later.values_list("pk", flat=True)}
    return MemoryGap(tuple(u for u in everything if u.id in newer))


def forget_if_deleted(run_id: str, conversation_id: str) -> bool:
    """Remove what a run wrote after its conversation was deleted; return whether it was (then memory must go too)."""
    if Conversation.objects.filter(pk=conversation_id).exists():
        return False
    stream.forget([run_id])
    return True
