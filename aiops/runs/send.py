"""Puts queued runs on the queue: publishes first, and marks a run as sent once the broker has accepted it.

The reaper compares the number of marked runs with the number of messages. A mark without a message would look like a
loss; a run with a message and no mark is only sent twice, and the second message finds nothing to claim. The reaper
repairs whatever fails here.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from django.db import transaction
from django.db.models.functions import Now

from aiops import dispatch
from aiops.events import stream, types
from aiops.locks import lock
from aiops.runs import states, transitions
from aiops.runs.accept import Accepted
from aiops.runs.models import Run
from aiops.runs.states import Place, State

MARKED_AT_ONCE = 50


def send(run: Run) -> bool:
    """Dispatch a queued run; False when the broker did not accept it."""
    sent = dispatch.run(str(run.pk), queue=run.queue)
    transitions.mark_sent(str(run.pk), sent=sent)
    return sent


def send_all(runs: Sequence[Run]) -> None:
    """Dispatch many queued runs, marking 50 at a time."""
    for start in range(0, len(runs), MARKED_AT_ONCE):
        some = runs[start : start + MARKED_AT_ONCE]
        sent = [run.pk for run in some if dispatch.run(str(run.pk), queue=run.queue)]
        with transaction.atomic():
            waiting = lock(Run.objects.filter(pk__in=sent, state=State.QUEUED))
            Run.objects.filter(pk__in=waiting).update(sent_at=Now())


def send_next(conversation_id: UUID | str) -> None:
    """Dispatch the conversation's next queued run, if there is one."""
    waiting = transitions.next_in_line(conversation_id)
    if waiting is not None:
        send(waiting)


def send_accepted(accepted: Accepted, *, ttl_s: int) -> None:
    """Publish that the run is queued, announce the runs it stopped, and dispatch it if none is ahead of it."""
    run_id = str(accepted.run.pk)
    queued = types.make(run_id, types.EventId(0, 1), types.QUEUED, {"ahead": accepted.ahead})
    stream.append_now({run_id: queued}, ttl_s=ttl_s)
    announce_stop(accepted.stopped, ttl_s=ttl_s)
    if not accepted.ahead:
        send(accepted.run)


def announce_stop(before: dict[str, str], *, ttl_s: int) -> None:
    """Publish the end of runs that stopped at once, ask workers to stop the others, and dispatch the runs behind them.

    ``before``: the state that each had, as ``transitions.request_cancel`` returns it.
    """
    if not before:
        return
    at_once = [run_id for run_id, state in before.items() if state in states.STOPS_AT_ONCE]
    cancelled = list(Run.objects.filter(pk__in=at_once, state=State.CANCELLED))
    ends = {str(run.pk): types.system_event(str(run.pk), run.fence, Place.ENDED, types.CANCELLED) for run in cancelled}
    stream.append_now(ends, ttl_s=ttl_s)
    stream.request_stop(run_id for run_id, state in before.items() if state in states.HOLDS_WORKER)
    for conversation_id in {run.conversation_id for run in cancelled}:
        send_next(conversation_id)
