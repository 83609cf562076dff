"""What was decided for a run that goes on: its last step, and the calls whose outcome is not known."""

from __future__ import annotations

from uuid import UUID

from django.db.models import Exists

from aiops.approvals.models import Approval, ApprovalItem
from aiops.approvals.values import Decision, ItemState, Step
from aiops.runs.transitions import Claim, held
from aiops.tool_servers.client.values import RemoteTool, ToolClass

UNKNOWN = (ItemState.EXECUTING, ItemState.OUTCOME_UNKNOWN)


def step_of(claim: Claim) -> Step | None:
    """Return the last step that people were asked about, with the latest decision about each of its calls.

    None when nobody was asked. A call that a worker had begun, and not ended, has an unknown outcome now. What came
    last is what the database's clock says: those of workers, from which ids are made, may differ.
    """
    of_run = Approval.objects.filter(run=UUID(claim.run_id))
    latest = of_run.order_by("-created_at", "-pk").first()
    if latest is None:
        return None
    same = of_run.filter(message__data__id=latest.message["data"]["id"])
    items = list(ApprovalItem.objects.filter(approval__in=same).order_by("approval__created_at", "approval", "number"))
    begun = ApprovalItem.objects.filter(pk__in=[one.pk for one in items], state=ItemState.EXECUTING)
    if any(one.state == ItemState.EXECUTING for one in items):
        # If this worker has lost the run meanwhile, the call is the next one's.
        begun.filter(Exists(held(claim))).update(state=ItemState.OUTCOME_UNKNOWN)
    return Step(latest.message, tuple(map(_decision, items)))


def _decision(item: ApprovalItem) -> Decision:
    unknown = item.state in UNKNOWN
    return Decision(
        item=str(item.pk),
        call_id=item.call_id,
        name=item.name,
        number=item.number,
        tool=RemoteTool(
            item.name,
            item.server,
            item.tool,
            str(item.facts.get("description", "")),
            item.parameters,
            tool_class=ToolClass(item.tool_class),
        ),
        requested=item.arguments,
        requested_hash=item.arguments_hash,
        state=ItemState.OUTCOME_UNKNOWN if unknown else ItemState(item.state),
        edited=item.edited,
        policy=item.policy,
        role=item.role,
        decided_by=item.decided_by_name,
        reason=item.decision_reason,
        text=item.text,
        repeats=item.repeats_id is not None,
    )
