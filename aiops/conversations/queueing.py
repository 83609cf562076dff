"""Puts queued runs on the queue, and remembers whether that worked."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from django.db.models.functions import Now

from aiops import dispatch
from aiops.conversations import transitions
from aiops.conversations.models import Run

MARKED_AT_ONCE = 50


def send(run_id: UUID | str) -> bool:
    """Dispatch a queued run; False when the broker did not take it (the reaper sends it later)."""
    queue = Run.objects.filter(pk=run_id).values_list("queue", flat=True).first() or dispatch.RUNS_QUEUE
    sent = dispatch.run(str(run_id), queue=queue)
    transitions.mark_sent(str(run_id), sent=sent)
    return sent


def send_all(runs: Sequence[Run]) -> None:
    """Dispatch many queued runs; those that the broker took are marked some at a time, once they are on the queue.

    The reaper compares how many were sent with how many messages there are: a mark without one looks like a loss, and
    what waits long without a mark is sent again.
    """
    for start in range(0, len(runs), MARKED_AT_ONCE):
        some = runs[start : start + MARKED_AT_ONCE]
        sent = [run.pk for run in some if dispatch.run(str(run.pk), queue=run.queue)]
        Run.objects.filter(pk__in=sent, state=Run.State.QUEUED).update(sent_at=Now())


def send_next(conversation_id: UUID | str) -> None:
    """Dispatch the conversation's next waiting run, if there is one."""
    waiting = transitions.next_in_line(conversation_id)
    if waiting is not None:
        send(waiting)
