"""The database side of a run, called in a thread: what it starts with, what memory lacks."""

from __future__ import annotations

import json
import time

from aiops import metrics
from aiops.batches import lifecycle as batches
from aiops.conversations import transcript
from aiops.conversations.models import Conversation, Message, Run
from aiops.conversations.transitions import Claim
from aiops.events import stream
from aiops.runs.ports import Assignment, Recollection

MEMORY_UNAVAILABLE = "memory_unavailable"
"""Code of the notice that a run's memory was lost on the way: what it left there may lack the answer."""

NOTHING_BEFORE = Recollection(())
"""What memory lacks at a conversation's first message."""


def assignment(claim: Claim) -> Assignment:
    """Read a claimed run."""
    run = Run.objects.select_related("message").get(pk=claim.run_id)
    metrics.count(metrics.ATTEMPTS, run.queue)
    if claim.fence == 1 and run.started_at is not None:
        metrics.measure(metrics.WAITED_SECONDS, run.queue, seconds=(run.started_at - run.queued_at).total_seconds())
    return Assignment(
        claim=claim,
        conversation_id=str(run.conversation_id),
        message_id=str(run.message_id),
        answer_id=str(run.answer_id),
        text=run.message.text,
        attempt=run.attempts + 1,
        worker=run.worker,
        deadline_s=run.deadline_s,
        options=run.options,
        steps=tuple(run.steps),
        position=run.position,
        queue=run.queue,
        since=time.monotonic(),
        answer_schema=json.dumps(batches.schema_of(run.pk)) if run.options.get("answer_schema") else "",
    )


def recollect(run_id: str, remembered_run: str | None) -> Recollection:
    """Compare memory, last written by ``remembered_run`` (None: there is none), with the transcript.

    A cancelled or failed run may have left less in memory than people read; what is missing is remembered again.
    """
    run = Run.objects.select_related("conversation").get(pk=run_id)
    last = Run.objects.filter(pk=remembered_run, conversation=run.conversation_id).first() if remembered_run else None
    everything = transcript.before(run)
    if last is None or last.rolled_back or last.position <= run.conversation.memory_from:
        return Recollection(tuple(everything), stale=remembered_run is not None)
    lost = any(notice["code"] == MEMORY_UNAVAILABLE for notice in last.notices)
    known = last.position + (1 if last.state == Run.State.SUCCEEDED and not lost else 0)
    later = Message.objects.filter(conversation=run.conversation_id, position__gt=known, position__lt=run.position)
    newer = {str(pk) for pk in later.values_list("pk", flat=True)}
    return Recollection(tuple(u for u in everything if u.id in newer))


def forget_if_deleted(run_id: str, conversation_id: str) -> bool:
    """Remove what a run wrote after its conversation had been deleted; whether it had (then memory must go too)."""
    if Conversation.objects.filter(pk=conversation_id).exists():
        return False
    stream.forget([run_id])
    return True
