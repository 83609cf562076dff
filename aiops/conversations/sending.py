"""What follows a commit: watchers are told, workers asked to stop, and the run is put on the queue.

Whatever fails here is made good by the reaper.
"""

from __future__ import annotations

from uuid import UUID

from aiops import dispatch
from aiops.conversations import queueing, transitions
from aiops.conversations.acceptance import Accepted
from aiops.conversations.models import Run
from aiops.events import stream, types


def send(accepted: Accepted, *, ttl_s: int) -> None:
    """Make way for an accepted question, tell its watchers, and dispatch it when nothing is ahead."""
    run_id = str(accepted.run.pk)
    queued = types.make(run_id, types.EventId(0, 1), types.QUEUED, {"ahead": accepted.ahead})
    stream.append_now({run_id: queued}, ttl_s=ttl_s)
    announce_stop(accepted.stopped, ttl_s=ttl_s)
    if not accepted.ahead and not dispatch.run(run_id):
        transitions.mark_sent(run_id, sent=False)


def announce_stop(before: dict[str, str], *, ttl_s: int) -> None:
    """Tell watchers of runs that were queued that they are over, and workers of running ones to stop.

    ``before`` is the state that each had, as ``transitions.request_cancel`` returns it.
    """
    if not before:
        return
    queued = [run_id for run_id, state in before.items() if state == Run.State.QUEUED]
    cancelled = list(Run.objects.filter(pk__in=queued, state=Run.State.CANCELLED))
    conversations: set[UUID] = {run.conversation_id for run in cancelled}
    ends = {str(run.pk): types.house(str(run.pk), run.fence, 2, types.CANCELLED) for run in cancelled}
    stream.append_now(ends, ttl_s=ttl_s)
    stream.ask_to_stop(run_id for run_id, state in before.items() if state == Run.State.RUNNING)
    for conversation in conversations:
        queueing.send_next(conversation)
