"""What was decided for a run that goes on: its last step, and the calls whose outcome is not known."""

from __future__ import annotations

from typing import Any

from aiops.approvals.models import Approval, ApprovalItem
from aiops.approvals.values import Decision, ItemState, Step
from aiops.tool_servers.client.values import RemoteTool, ToolClass

UNKNOWN = (ItemState.EXECUTING, ItemState.OUTCOME_UNKNOWN)


def step_of(run_id: Any) -> Step | None:
    """Return the last step that people were asked about, with the latest decision about each of its calls.

    None when nobody was asked. A call that a worker had begun, and not ended, has an unknown outcome now.
    """
    latest = Approval.objects.filter(run=run_id).order_by("-pk").first()
    if latest is None:
        return None
    message_id = latest.message.get("data", {}).get("id")
    rows = (
        ApprovalItem.objects.filter(approval__run=run_id).select_related("approval").order_by("approval_id", "number")
    )
    items = [one for one in rows if one.approval.message.get("data", {}).get("id") == message_id]
    lost = [one.pk for one in items if one.state == ItemState.EXECUTING]
    if lost:
        ApprovalItem.objects.filter(pk__in=lost).update(state=ItemState.OUTCOME_UNKNOWN)
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
