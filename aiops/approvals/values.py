"""The frozen values of approvals; importing this module loads no large package."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from aiops.tool_servers.client.values import RemoteTool, ToolClass

DEFAULT_ROLE = "approvers"
"""The group that decides about destructive calls, until the policies say something else."""


class Outcome(StrEnum):
    """What a policy says about a call."""

    AUTO = "auto"
    ASK_USER = "ask_user"
    """The person whose run it is decides."""
    ASK_ROLE = "ask_role"
    """A member of a group decides, other than the person whose run it is."""
    NEVER = "never"


class Choice(StrEnum):
    """What a person decides about one call."""

    APPROVE = "approve"
    EDIT = "edit"
    REJECT = "reject"
    ANSWER = "answer"


class ItemState(StrEnum):
    """State of one call that a person is asked about."""

    PENDING = "pending"
    APPROVED = "approved"
    EDITED = "edited"
    REJECTED = "rejected"
    ANSWERED = "answered"
    EXPIRED = "expired"
    CLOSED = "closed"
    EXECUTING = "executing"
    EXECUTED = "executed"
    OUTCOME_UNKNOWN = "outcome_unknown"
    """Its worker died, or was stopped, during the call."""


MOST_ASKED = 100
"""Calls of one step that people can be asked about."""
DECIDED = {
    Choice.APPROVE: ItemState.APPROVED,
    Choice.EDIT: ItemState.EDITED,
    Choice.REJECT: ItemState.REJECTED,
    Choice.ANSWER: ItemState.ANSWERED,
}
GRANTED = (ItemState.APPROVED, ItemState.EDITED)
"""States in which the call may be made, once."""


class ApprovalState(StrEnum):
    """State of an approval: of all the calls of one step that need a person."""

    PENDING = "pending"
    DECIDED = "decided"
    EXPIRED = "expired"
    CLOSED = "closed"
    """Its run was stopped."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What policies look at: a tool, and who calls it where."""

    server: str
    tool: str
    tool_class: ToolClass
    agent_kind: str
    environment: str
    unattended: bool = False
    """Nobody waits for the run: a batch, a schedule or an alert began it."""

    @property
    def changes_something(self) -> bool:
        """Whether a call may change something; unknown counts as write."""
        return self.tool_class is not ToolClass.READ


@dataclass(frozen=True, slots=True)
class Policy:
    """One row of the policies; an empty field fits everything. ``tool_class`` write also fits unknown."""

    label: str
    outcome: Outcome
    role: str = ""
    expires_s: int | None = None
    tool_class: str = ""
    server: str = ""
    tool: str = ""
    agent_kind: str = ""
    environment: str = ""

    def fits(self, subject: Subject) -> bool:
        """Return whether it is about this call."""
        given = (subject.server, subject.tool, subject.agent_kind, subject.environment)
        wanted = (self.server, self.tool, self.agent_kind, self.environment)
        classes = {subject.tool_class.value}
        if subject.tool_class is ToolClass.UNKNOWN:
            classes.add(ToolClass.WRITE.value)
        return (not self.tool_class or self.tool_class in classes) and all(
            not one or one == has for one, has in zip(wanted, given, strict=True)
        )


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the policies say about one call, and which of them."""

    outcome: Outcome
    policy: str
    role: str = ""
    expires_s: int | None = None


NOTHING_FITS = Policy("no policy fits", Outcome.NEVER)
STANDARD = (
    Policy("the standard for tools that read", Outcome.AUTO, tool_class=ToolClass.READ),
    Policy("the standard for tools that write", Outcome.ASK_USER, tool_class=ToolClass.WRITE),
    Policy(
        "the standard for tools that destroy", Outcome.ASK_ROLE, role=DEFAULT_ROLE, tool_class=ToolClass.DESTRUCTIVE
    ),
)
"""What holds for calls that no row fits."""
UNATTENDED = " (nobody attends this run)"


@dataclass(frozen=True, slots=True)
class Policies:
    """The policies in their order: the first that fits decides, and the standard ones come last."""

    rows: tuple[Policy, ...] = ()
    asked_by_chain: frozenset[str] = field(default=frozenset())
    """Names, with their server's prefix, of tools that a middleware of the model wants a person to be asked about."""

    def verdict(self, subject: Subject, *, name: str = "") -> Verdict:
        """Return what holds for a call; ``name`` is the tool's with its server's prefix."""
        found = next((one for one in (*self.rows, *STANDARD) if one.fits(subject)), NOTHING_FITS)
        if found.outcome is not Outcome.AUTO:
            return Verdict(found.outcome, found.label, found.role, found.expires_s)
        if subject.unattended and subject.changes_something:
            return Verdict(Outcome.ASK_USER, found.label + UNATTENDED, expires_s=found.expires_s)
        if name in self.asked_by_chain:
            return Verdict(Outcome.ASK_USER, "HumanInTheLoopMiddleware", expires_s=found.expires_s)
        return Verdict(Outcome.AUTO, found.label)


NO_ROWS = Policies()
"""The standard ones alone."""


@dataclass(frozen=True, slots=True)
class PlannedCall:
    """A call that a model wants to make, with arguments that were read strictly."""

    number: int
    """Its place among the calls of its message, from 0."""
    call_id: str
    name: str
    """The tool's name with its server's prefix."""
    tool: RemoteTool
    arguments: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Question:
    """A call that a person must decide about, and who that is."""

    call: PlannedCall
    verdict: Verdict
    repeats: str = ""
    """Id of the item whose outcome is unknown; empty the first time."""
    edited: dict[str, Any] | None = None
    """With which arguments that one was made instead, if a person had changed them."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What was decided about one call of this run, as its worker needs it."""

    item: str
    call_id: str
    name: str
    number: int
    tool: RemoteTool
    """As it was when people were asked."""
    requested: dict[str, Any]
    """The arguments that the model gave."""
    requested_hash: str
    state: ItemState
    edited: dict[str, Any] | None = None
    """The arguments with which the call is made instead."""
    policy: str = ""
    role: str = ""
    """The group that decided; empty: the person whose run it is."""
    decided_by: str = ""
    reason: str = ""
    text: str = ""
    """What a person answered instead of the call, or says has happened."""
    repeats: bool = False

    @property
    def arguments(self) -> dict[str, Any]:
        """Return the arguments with which the call is made."""
        return self.requested if self.edited is None else self.edited


@dataclass(frozen=True, slots=True)
class Step:
    """The assistant message, as JSON, whose calls were asked about last, and what was decided about each of them."""

    message: dict[str, Any]
    decisions: tuple[Decision, ...]

    def of(self, call_id: str) -> Decision | None:
        """Return the latest decision about a call."""
        return next((one for one in reversed(self.decisions) if one.call_id == call_id), None)


@dataclass(frozen=True, slots=True)
class Permit:
    """Whether a call may be made: with which arguments, or why not."""

    arguments: dict[str, Any]
    refusal: str = ""
    """Why it is not made, for the model; empty when it is made."""
    answer: str | None = None
    """What a person answered instead; None: nobody did."""
    note: str = ""
    """What the model reads before the result, such as that the arguments were changed."""
    item: str = ""
    """Id of the approval's item that allows it; empty when no person was asked."""


def people(questions: Iterable[Question], *, requester: str) -> list[str]:
    """Return who may decide, as people read it."""
    found = [f"group {one.verdict.role}" if one.verdict.role else requester for one in questions]
    return list(dict.fromkeys(found))
