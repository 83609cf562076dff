"""After the commit of a decision: the event for viewers, and the run back on the queue."""

from __future__ import annotations

from aiops.approvals.models import Approval
from aiops.approvals.values import ItemState
from aiops.events import stream, types
from aiops.runs import send
from aiops.runs.models import Run
from aiops.runs.states import Place, State


def announce(approval: Approval, *, ttl_s: int) -> None:
    """Publish what was decided, and send the run if nothing of it is left to decide; the reaper repairs a loss.

    The event belongs to the claim that asked: ``approval.run`` is as it was when the decision was written. Under a
    later one it would keep the next worker from writing.
    """
    run = approval.run
    states = [{"id": str(one.pk), "state": one.state} for one in approval.items.all()]
    decided = sum(one["state"] != ItemState.PENDING for one in states)
    event = types.system_event(
        str(run.pk),
        run.fence,
        Place.DECIDED + decided,
        types.APPROVAL_DECIDED,
        approval=str(approval.pk),
        items=states,
    )
    stream.append_now({str(run.pk): event}, ttl_s=ttl_s)
    if Run.objects.filter(pk=run.pk, state=State.QUEUED, fence=run.fence).exists():
        send.send(run)
