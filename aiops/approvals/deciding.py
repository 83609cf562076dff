"""Decisions of people about calls: all those that a person may decide about at once, the first one wins."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.conf import settings as django_settings
from django.db import transaction
from django.db.models.functions import Now

from aiops import background, schemas
from aiops.approvals import people, policies
from aiops.approvals.announcing import announce
from aiops.approvals.models import Approval, ApprovalItem, Grant
from aiops.approvals.values import DECIDED, ApprovalState, Choice, ItemState, Outcome, Subject
from aiops.audit.actions import Action
from aiops.audit.recording import Entry, record_all
from aiops.conversations.models import Conversation
from aiops.errors import Conflict, Forbidden, Invalid, NotFound
from aiops.locks import lock
from aiops.people.models import User
from aiops.runs import parking, sources
from aiops.runs.models import Run
from aiops.tool_servers.client.canonical import hash_of_arguments
from aiops.tool_servers.client.values import ToolClass

ALREADY = "already_decided"
NEEDS = {Choice.EDIT: "arguments", Choice.ANSWER: "text"}
"""The field that a decision cannot be without."""
TAKES = {Choice.EDIT: {"arguments"}, Choice.ANSWER: {"text"}, Choice.REJECT: {"reason"}, Choice.APPROVE: set[str]()}
REMEMBERS = (Choice.APPROVE, Choice.EDIT)


@dataclass(frozen=True, slots=True)
class Decided:
    """One decision as a request gives it."""

    item: UUID
    choice: Choice
    arguments: dict[str, Any] | None = None
    reason: str = ""
    text: str = ""
    remember: bool = False


def decide(user: User, approval_id: UUID, given: Sequence[Decided]) -> Approval:
    """Apply a person's decisions and, if they were the last ones, let the run go on.

    Raises NotFound, Conflict ``already_decided``, Forbidden, or Invalid (one is missing, or cannot be meant): then
    nothing is changed.
    """
    with transaction.atomic():
        approval = _locked(user, approval_id, with_conversation=any(one.remember for one in given))
        items = list(approval.items.select_related("approval"))
        mine = _mine(user, approval, items, given)
        errors: dict[str, list[str]] = {}
        for number, one in enumerate(given):
            errors |= {f"items.{number}.{field}": [why] for field, why in _problems(user, mine[one.item], one).items()}
        if errors:
            raise Invalid("These decisions cannot be meant; nothing was decided.", errors=errors)
        for one in given:
            _apply(user, mine[one.item], one)
        if not any(item.state == ItemState.PENDING for item in items):
            settle(approval, ApprovalState.DECIDED)
        record_all([_entry(user, mine[one.item], one) for one in given])
    ttl_s = django_settings.SETTINGS.stream_ttl_s
    transaction.on_commit(lambda: background.run_later(announce, approval, ttl_s=ttl_s))
    return approval


def _entry(user: User, item: ApprovalItem, given: Decided) -> Entry:
    return Entry(
        Action.APPROVAL_DECIDED,
        user.username,
        f"approval:{item.approval_id}",
        user.pk,
        {**about(item), "decision": given.choice.value, "remember": given.remember},
    )


def about(item: ApprovalItem) -> dict[str, Any]:
    """Return what the audit log keeps of a call: its arguments as a hash only."""
    return {
        "run": str(item.approval.run_id),
        "item": str(item.pk),
        "tool": f"{item.server}/{item.tool}",
        "tool_class": item.tool_class,
        "arguments_hash": hash_of_arguments(item.called),
        "policy": item.policy,
    }


def settle(approval: Approval, state: ApprovalState) -> None:
    """End an approval without pending items, and queue its run; must run in their transaction."""
    approval.state = state
    Approval.objects.filter(pk=approval.pk).update(state=state, decided_at=Now())
    parking.resume(approval.run_id)


def _locked(user: User, approval_id: UUID, *, with_conversation: bool) -> Approval:
    """Lock an approval behind its run, and that behind its conversation, to which a grant refers (``aiops.locks``)."""
    found = people.visible_to(user).filter(pk=approval_id).first()
    if found is None:
        raise NotFound("There is no such approval.")
    runs = Run.objects.filter(pk=found.run_id)
    if with_conversation:
        lock(Conversation.objects.filter(pk__in=runs.values("conversation")))
    lock(runs)
    locked = Approval.objects.select_for_update(no_key=True).filter(pk=approval_id).first()
    if locked is None:
        raise NotFound("There is no such approval: its conversation was deleted.")
    locked.run = runs.get()
    return locked


def _mine(
    user: User, approval: Approval, items: Sequence[ApprovalItem], given: Sequence[Decided]
) -> dict[UUID, ApprovalItem]:
    """Return the pending items that a person may decide about, which must be those that were given."""
    named = {one.item for one in given}
    if approval.state != ApprovalState.PENDING:
        raise Conflict(f"Nothing was changed: this approval is {_what_happened(approval, items)}.", code=ALREADY)
    roles = people.roles_of(user)
    mine = {item.pk: item for item in items if people.may_decide(user, item, roles)}
    if not mine:
        who = ", ".join(approval.may_decide)
        raise Forbidden(f"You may see this approval, but not decide about it: that may {who}.")
    open_ = {pk: item for pk, item in mine.items() if item.state == ItemState.PENDING}
    if done := [mine[pk] for pk in named & mine.keys() if pk not in open_]:
        raise Conflict(f"Nothing was changed: {_what_happened(approval, done)}.", code=ALREADY)
    if len(given) != len(named) or named != open_.keys():
        missing = ", ".join(str(pk) for pk in open_ if pk not in named)
        unknown = ", ".join(str(pk) for pk in named - open_.keys())
        reasons = [f"Missing: {missing}."] if missing else []
        reasons += [f"Not yours to decide: {unknown}."] if unknown else []
        reasons += ["Name each once."] if len(given) != len(named) else []
        raise Invalid("Decide about each call that waits for you, all at once.", errors={"items": reasons})
    return open_


def _what_happened(approval: Approval, items: Sequence[ApprovalItem]) -> str:
    said = [
        f"{one.tool} {one.state.replace('_', ' ')}" + (f" by {one.decided_by_name}" if one.decided_by_name else "")
        for one in items
    ]
    return f"{approval.state} ({', '.join(said)})" if approval.state != ApprovalState.PENDING else ", ".join(said)


def _problems(user: User, item: ApprovalItem, given: Decided) -> dict[str, str]:
    """Return why a decision cannot be meant, by field."""
    fields = {"arguments": given.arguments is not None, "text": bool(given.text), "reason": bool(given.reason)}
    found = {
        name: f"Does not go with {given.choice}."
        for name, is_there in fields.items()
        if is_there and name not in TAKES[given.choice]
    }
    needed = NEEDS.get(given.choice)
    if needed and not fields[needed]:
        found[needed] = f"{given.choice.capitalize()} needs it."
    if given.remember and (given.choice not in REMEMBERS or item.tool_class == ToolClass.DESTRUCTIVE):
        found["remember"] = "Only an approved call can be remembered, and never one that destroys."
    if given.remember and item.approval.run.source in sources.UNATTENDED:
        found["remember"] = "Nobody attends this run: every call of it is asked about."
    asked = _unmasked(given.arguments, item.shown_arguments, item.arguments)
    if given.arguments is not None and "arguments" not in found and (problems := _misfits(item, asked)):
        found["arguments"] = " ".join(problems)
    if given.choice in REMEMBERS and (reason := _policy_problem(user, item)):
        found["decision"] = reason
    return found


def _misfits(item: ApprovalItem, arguments: dict[str, Any]) -> list[str]:
    """Return why arguments do not fit the tool's schema."""
    try:
        return schemas.compiled(json.dumps(item.parameters)).problems(json.dumps(arguments))
    except schemas.BadSchema as error:
        return [f"The tool's own schema cannot be used ({error}): approve or reject it as it is."]


def _unmasked(edited: Any, shown: Any, wanted: Any) -> Any:
    """Return edited arguments with the secrets that were not shown in place of their masks."""
    if edited == shown:
        return wanted
    if isinstance(edited, dict) and isinstance(shown, dict):
        return {
            name: _unmasked(one, shown[name], wanted[name]) if name in shown else one for name, one in edited.items()
        }
    if isinstance(edited, list) and isinstance(shown, list) and len(edited) == len(shown):
        return [_unmasked(*three) for three in zip(edited, shown, wanted, strict=True)]
    return edited


def _policy_problem(user: User, item: ApprovalItem) -> str:
    """Return why the policies of now do not let this person allow a call; the one who decides counts, edited or not."""
    run = item.approval.run
    subject = Subject(
        item.server,
        item.tool,
        ToolClass(item.tool_class),
        agent_kind=run.source,
        environment=django_settings.SETTINGS.environment,
        unattended=run.source in sources.UNATTENDED,
    )
    verdict = policies.read().verdict(subject, name=item.name)
    if verdict.outcome is Outcome.NEVER:
        return f"{verdict.policy} does not allow it any more."
    if verdict.outcome is Outcome.ASK_ROLE and verdict.role != item.role:
        return f"{verdict.policy} wants the group {verdict.role} to decide now: reject it, so that it is asked again."
    return ""


def _apply(user: User, item: ApprovalItem, given: Decided) -> None:
    item.state = DECIDED[given.choice]
    if given.choice is Choice.EDIT:
        item.edited = _unmasked(given.arguments, item.shown_arguments, item.arguments)
        item.shown_edited = given.arguments
    ApprovalItem.objects.filter(pk=item.pk).update(
        state=item.state,
        edited=item.edited,
        shown_edited=item.shown_edited,
        decided_by=user,
        decided_by_name=user.username,
        decided_at=Now(),
        decision_reason=given.reason,
        text=given.text,
    )
    if given.remember:
        Grant.objects.get_or_create(
            conversation_id=item.approval.run.conversation_id,
            server=item.server,
            tool=item.tool,
            role=item.role,
            defaults={"granted_by": user},
        )
