"""Tables of approvals: the policies, the approvals with their items, and what was allowed for a conversation."""

from __future__ import annotations

import json
from typing import Any

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from aiops.approvals import rules
from aiops.approvals.values import ApprovalState, ItemState, Outcome
from aiops.people.models import new_id
from aiops.tool_servers.client.values import ToolClass

AGENT_KINDS = [(kind, kind.capitalize()) for kind in rules.AGENT_KINDS]
ENVIRONMENTS = [(name, name) for name in rules.ENVIRONMENTS]


def choices(of: type[Outcome | ItemState | ApprovalState | ToolClass]) -> list[tuple[str, str]]:
    """Return (value, label) pairs, as Django takes choices."""
    return [(one.value, one.value.replace("_", " ").capitalize()) for one in of]


class ApprovalPolicy(models.Model):
    """One policy; of those that fit a call, the one with the lowest position decides, then the oldest."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    position = models.PositiveSmallIntegerField(validators=[MinValueValidator(1), MaxValueValidator(10_000)])
    tool_class = models.CharField(max_length=12, blank=True, default="", choices=choices(ToolClass))
    server = models.CharField(max_length=31, blank=True, default="")
    """Name of a tool server; empty: any."""
    tool = models.CharField(max_length=200, blank=True, default="")
    """Name of a tool, without its server's prefix; empty: any."""
    agent_kind = models.CharField(max_length=16, blank=True, default="", choices=AGENT_KINDS)
    """Where the run comes from."""
    environment = models.CharField(max_length=8, blank=True, default="", choices=ENVIRONMENTS)
    outcome = models.CharField(max_length=8, choices=choices(Outcome))
    role = models.CharField(max_length=150, blank=True, default="")
    """Name of the group that decides, for ``ask_role``."""
    expires_s = models.PositiveIntegerField(
        null=True, blank=True, validators=[MinValueValidator(rules.SHORTEST_S), MaxValueValidator(rules.LONGEST_S)]
    )
    """How long a decision is waited for; null: AIOPS_APPROVAL_S."""
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["position", "pk"]
        verbose_name_plural = "approval policies"

    def __str__(self) -> str:
        return rules.label(self)

    def clean(self) -> None:
        rules.check(self)


class Approval(models.Model):
    """What a waiting run asks people: the calls of one step that need a decision."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    run = models.ForeignKey("runs.Run", models.CASCADE, related_name="approvals")
    requester = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    """Whose run it is."""
    state = models.CharField(max_length=8, choices=choices(ApprovalState), default=ApprovalState.PENDING.value)
    message = models.JSONField()
    """The assistant message with its raw calls, as LangChain writes messages as JSON."""
    may_decide = models.JSONField(default=list)
    """Names of those who were asked, as people read them."""
    created_at = models.DateTimeField(db_default=Now())
    expires_at = models.DateTimeField()
    decided_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["run"], condition=Q(state=ApprovalState.PENDING.value), name="one_pending_approval_per_run"
            )
        ]
        indexes = [
            models.Index(
                fields=["expires_at"], name="approvals_pending", condition=Q(state=ApprovalState.PENDING.value)
            ),
            models.Index(fields=["requester", "-id"], name="approvals_of_requester"),
        ]


class ApprovalItem(models.Model):
    """One call that a person decides about."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    approval = models.ForeignKey(Approval, models.CASCADE, related_name="items")
    number = models.PositiveSmallIntegerField()
    """Its place among the calls of the message."""
    call_id = models.CharField(max_length=64)
    server = models.CharField(max_length=31)
    tool = models.CharField(max_length=200)
    name = models.CharField(max_length=300)
    """The tool's name with its server's prefix."""
    tool_class = models.CharField(max_length=12, choices=choices(ToolClass))
    arguments = models.JSONField()
    shown_arguments = models.JSONField(default=dict)
    """Those, without known secrets, for people."""
    arguments_hash = models.CharField(max_length=64)
    parameters = models.JSONField(default=dict)
    """JSON Schema of the arguments."""
    reason = models.TextField(blank=True)
    """Why the model wants the call, in its own words."""
    facts = models.JSONField(default=dict)
    """What the server knows: see ``asking.facts_of``."""
    policy = models.CharField(max_length=300)
    """The policy that wants the decision."""
    role = models.CharField(max_length=150, blank=True)
    """The group that decides; empty: the requester."""
    repeats = models.ForeignKey("self", models.SET_NULL, null=True, related_name="+")
    """The item whose outcome is unknown, of the same call."""

    state = models.CharField(max_length=15, choices=choices(ItemState), default=ItemState.PENDING.value)
    edited = models.JSONField(null=True)
    """The arguments that a person wants instead."""
    shown_edited = models.JSONField(null=True)
    """Those, as the person has seen and written them."""
    decided_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    decided_by_name = models.CharField(max_length=150, blank=True)
    decided_at = models.DateTimeField(null=True)
    decision_reason = models.TextField(blank=True)
    text = models.TextField(blank=True)
    """What a person answered instead of the call."""
    started_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    preview = models.TextField(blank=True)
    """The beginning of the result."""

    @property
    def called(self) -> dict[str, Any]:
        """The arguments with which it is, or would be, called."""
        arguments: dict[str, Any] = self.arguments if self.edited is None else self.edited
        return arguments

    @property
    def read(self) -> dict[str, Any]:
        """Those arguments as people read them."""
        arguments: dict[str, Any] | None = self.shown_arguments if self.edited is None else self.shown_edited
        return arguments or {}

    @property
    def line(self) -> str:
        """Those in one line."""
        return json.dumps(self.read, ensure_ascii=False)

    class Meta:
        ordering = ["number"]
        indexes = [
            models.Index(fields=["role", "approval"], name="approval_items_of_role", condition=Q(state="pending")),
        ]


class Grant(models.Model):
    """A tool that is allowed in a conversation without asking again; never one that destroys."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    conversation = models.ForeignKey("conversations.Conversation", models.CASCADE, related_name="+")
    server = models.CharField(max_length=31)
    tool = models.CharField(max_length=200)
    role = models.CharField(max_length=150, blank=True)
    """The group that allowed it; it does not count where another one, or the requester, must be asked."""
    granted_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [models.UniqueConstraint(fields=["conversation", "server", "tool", "role"], name="a_grant_once")]
