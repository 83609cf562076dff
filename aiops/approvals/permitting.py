"""Whether a call may be made, at the moment when it is about to be: by the policies of now and by what was decided."""

from __future__ import annotations

import json

from django.db.models.functions import Now

from aiops.approvals import people, policies
from aiops.approvals.asking import Asker, asks, is_granted, is_too_large
from aiops.approvals.models import ApprovalItem
from aiops.approvals.values import (
    GRANTED,
    Decision,
    ItemState,
    Outcome,
    Permit,
    PlannedCall,
    Policies,
    Subject,
    Verdict,
)
from aiops.tool_servers.client.canonical import hash_of_arguments

FORBIDDEN = "This call is not allowed by {policy}. It was not made."
NOBODY = (
    "Nobody may decide about this call, so it was not made: an administrator must put somebody other than {requester} "
    "into the group {role!r}, or change {policy}."
)
NOT_ASKED = "This call needs a decision that nobody was asked for, so it was not made. Call the tool again to ask."
TOO_LARGE = "The arguments of this call are too large for a person to decide about, so it was not made. Send less."
DIFFERS = "This call is not the one that was decided about, so it was not made."
STRICTER = (
    "{policy} has wanted another decision since this call was approved, so it was not made. Call it again to ask."
)
REJECTED = "{who} rejected this call, so it was not made. Reason: {reason}"
NOT_DONE = "{who} says that this call was not done. {reason}"
EXPIRED = "Nobody decided about this call in time, so it was not made."
STILL_UNKNOWN = (
    "Whether this call took effect is not known, and nobody said so in time. It was not repeated: look first."
)
EDITED = "[{who} changed the arguments before the call was made: {arguments}]\n"
ANSWERED = "[{who} answered instead of the tool, which was not called.]\n{text}"
HAPPENED = "[Whether this call took effect was not known. {who} says what happened.]\n{text}"
NO_REASON = "none was given."


def permit(
    call: PlannedCall,
    subject: Subject,
    decision: Decision | None,
    *,
    asker: Asker,
) -> Permit:
    """Return whether the call may be made; the policies are read again, so that a stricter one counts at once."""
    said = _said(call, decision) if decision is not None else None
    if said is not None:
        return said
    verdict = Policies(policies.read().rows, asker.asked_by_chain).verdict(subject, name=call.name)
    if verdict.outcome is Outcome.NEVER:
        return Permit(call.arguments, FORBIDDEN.format(policy=verdict.policy))
    if decision is not None:
        return _granted(decision, verdict)
    if not asks(verdict) or is_granted(call, subject, verdict, asker):
        return Permit(call.arguments)
    if not people.deciders(verdict.role, requester_id=asker.user_id).exists():
        return Permit(call.arguments, nobody(verdict.role, asker.user_name, verdict.policy))
    return Permit(call.arguments, TOO_LARGE if is_too_large(call) else NOT_ASKED)


def nobody(role: str, requester: str, policy: str) -> str:
    """Return what the model reads when nobody may decide: the cause and the cure."""
    return NOBODY.format(requester=requester, role=role, policy=policy)


def begin(permit: Permit) -> bool:
    """Record that an approved call begins, once; False when it may not. Must run in the transaction of its step."""
    mine = ApprovalItem.objects.filter(pk=permit.item, state__in=GRANTED)
    return bool(mine.update(state=ItemState.EXECUTING, started_at=Now()))


def end(item: str, *, status: str, preview: str) -> None:
    """Record how an approved call ended; ``status`` is ok, error or unknown."""
    state = ItemState.OUTCOME_UNKNOWN if status == "unknown" else ItemState.EXECUTED
    begun = [ItemState.EXECUTING, ItemState.OUTCOME_UNKNOWN]  # a worker that lost the run may have said unknown
    ApprovalItem.objects.filter(pk=item, state__in=begun).update(state=state, ended_at=Now(), preview=preview)


def _said(call: PlannedCall, decision: Decision) -> Permit | None:
    """Return what a decision that lets nothing be called says; None for one that does."""
    who, reason = decision.decided_by, decision.reason
    match decision.state:
        case ItemState.REJECTED:
            text = NOT_DONE if decision.repeats else REJECTED
            return Permit(
                call.arguments, text.format(who=who, reason=reason or ("" if decision.repeats else NO_REASON))
            )
        case ItemState.ANSWERED:
            text = HAPPENED if decision.repeats else ANSWERED
            return Permit(call.arguments, answer=text.format(who=who, text=decision.text))
        case ItemState.EXPIRED:
            return Permit(call.arguments, reason or (STILL_UNKNOWN if decision.repeats else EXPIRED))
    made = (decision.name, decision.number, decision.requested_hash)
    if made != (call.name, call.number, hash_of_arguments(call.arguments)):
        return Permit(call.arguments, DIFFERS)
    return None


def _granted(decision: Decision, verdict: Verdict) -> Permit:
    if asks(verdict) and verdict.role not in ("", decision.role):
        return Permit(decision.arguments, STRICTER.format(policy=verdict.policy))
    note = ""
    if decision.edited is not None:
        written = json.dumps(decision.arguments, ensure_ascii=False)
        note = EDITED.format(who=decision.decided_by, arguments=written)
    return Permit(decision.arguments, note=note, item=decision.item)
