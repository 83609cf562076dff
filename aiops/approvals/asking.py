"""Which calls of a step people are asked about, and the approval that asks them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db.models.functions import Now

from aiops import untrusted
from aiops.approvals import people, policies
from aiops.approvals.models import Approval, ApprovalItem, Grant
from aiops.approvals.values import Outcome, PlannedCall, Policies, Question, Subject, Verdict
from aiops.approvals.values import people as names_of
from aiops.events.redaction import Redactor
from aiops.events.types import cut
from aiops.people.models import User
from aiops.tool_servers.client.canonical import hash_of_arguments
from aiops.tool_servers.client.values import RemoteTool, ToolClass

REASON_BYTES, DESCRIPTION_BYTES = 2_000, 500
MOST_CHARACTERS = 64_000
"""Of the arguments of a call that people are asked about, as JSON."""
HINTS = {"idempotentHint": "repeatable", "openWorldHint": "reaches_others"}
"""Annotations of MCP (2025-11-25) that help to decide, and how they are called here."""


@dataclass(frozen=True, slots=True)
class Asker:
    """The run that wants calls made, and whose it is."""

    user_id: str
    user_name: str
    conversation_id: str
    asked_by_chain: frozenset[str] = frozenset()
    """Names of tools that a middleware of the model wants people to be asked about."""
    distrusted: frozenset[str] = frozenset()
    """Names of tools that this run has called with unknown outcome: no grant of the conversation counts for them."""


def questions(
    calls: Iterable[PlannedCall], subject_of: Callable[[RemoteTool], Subject], asker: Asker
) -> list[Question]:
    """Return the calls that somebody must be asked about, and can be; by the policies as they are in the table now."""
    rules = Policies(policies.read().rows, asker.asked_by_chain)
    found = []
    for call in calls:
        subject = subject_of(call.tool)
        verdict = rules.verdict(subject, name=call.name)
        if not asks(verdict) or is_too_large(call) or is_granted(call, subject, verdict, asker):
            continue
        if people.deciders(verdict.role, requester_id=asker.user_id).exists():
            found.append(Question(call, verdict))
    return found


def asks(verdict: Verdict) -> bool:
    """Return whether a person must be asked."""
    return verdict.outcome in (Outcome.ASK_USER, Outcome.ASK_ROLE)


def is_too_large(call: PlannedCall) -> bool:
    """Return whether nobody could read the arguments of a call."""
    return len(json.dumps(call.arguments, ensure_ascii=False)) > MOST_CHARACTERS


def is_granted(call: PlannedCall, subject: Subject, verdict: Verdict, asker: Asker) -> bool:
    """Return whether somebody who may decide still has allowed this tool for the whole conversation."""
    if subject.unattended or subject.tool_class is ToolClass.DESTRUCTIVE or call.name in asker.distrusted:
        return False
    here = {"conversation": UUID(asker.conversation_id), "server": subject.server, "tool": subject.tool}
    allowed = Grant.objects.filter(**here, role=verdict.role, granted_by__is_active=True)
    return (allowed.filter(granted_by__groups__name=verdict.role) if verdict.role else allowed).exists()


def open_approval(
    run_id: str,
    *,
    requester_id: str,
    message: dict[str, Any],
    reason: str,
    asked: Sequence[Question],
    redactor: Redactor,
    expires_s: int,
) -> Approval:
    """Write the approval of a run that now waits; must run in the transaction that lets it wait.

    ``expires_s`` holds where no policy says how long; of several questions the shortest time counts.
    """
    requester = User.objects.only("username").get(pk=requester_id)
    approval = Approval.objects.create(
        run_id=UUID(run_id),
        requester=requester,
        message=message,
        may_decide=names_of(asked, requester=requester.username),
        expires_at=Now() + timedelta(seconds=min(one.verdict.expires_s or expires_s for one in asked)),
    )
    said = cut(redactor.redact(untrusted.plain(reason)), max_bytes=REASON_BYTES)
    ApprovalItem.objects.bulk_create([_item(approval, one, said, redactor) for one in asked])
    approval.refresh_from_db()
    return approval


def _item(approval: Approval, asked: Question, reason: str, redactor: Redactor) -> ApprovalItem:
    call = asked.call
    return ApprovalItem(
        approval=approval,
        number=call.number,
        call_id=call.call_id,
        server=call.tool.server,
        tool=call.tool.remote_name,
        name=call.name,
        tool_class=call.tool.tool_class,
        arguments=call.arguments,
        shown_arguments=redactor.redact_json(call.arguments),
        arguments_hash=hash_of_arguments(call.arguments),
        parameters=call.tool.schema,
        reason=reason,
        facts=facts_of(call.tool, repeats=bool(asked.repeats)),
        policy=asked.verdict.policy[:300],
        role=asked.verdict.role,
        repeats_id=UUID(asked.repeats) if asked.repeats else None,
        edited=asked.edited,
        shown_edited=redactor.redact_json(asked.edited) if asked.edited is not None else None,
    )


def facts_of(tool: RemoteTool, *, repeats: bool = False) -> dict[str, Any]:
    """Return what is known about a call beside what the model says: class, target, whether it can be undone, and hints.

    ``repeatable`` and ``reaches_others`` are its server's claims.
    """
    reversible = {ToolClass.READ: "nothing to undo", ToolClass.DESTRUCTIVE: "no"}.get(tool.tool_class, "unknown")
    annotations = tool.definition.get("annotations") or {}
    hints = {ours: annotations[theirs] for theirs, ours in HINTS.items() if isinstance(annotations.get(theirs), bool)}
    facts: dict[str, Any] = {
        "class": tool.tool_class.value,
        "target": tool.server,
        "reversible": reversible,
        "description": cut(untrusted.plain(tool.description), max_bytes=DESCRIPTION_BYTES),
        **hints,
    }
    return {**facts, "outcome_unknown": True} if repeats else facts
