"""After the commit of a decision: the event for viewers, and the run back on the queue."""

from __future__ import annotations

from aiops.approvals.models import Approval
from aiops.approvals.values import ItemState
from aiops.events import stream, types
from aiops.runs import send
from aiops.runs.models import Run
from aiops.runs.states import Place, State


def announce(approval: Approval, *, ttl_s: int) -> None:
    """Publish what was decided, and send the run if nothing of it is left to decide; the reaper repairs a loss."""
    run = Run.objects.only("queue", "fence", "state").filter(pk=approval.run_id).first()
    if run is None:
        return
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
    if run.state == State.QUEUED:
        send.send(run)
