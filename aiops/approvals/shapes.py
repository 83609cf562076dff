"""The JSON of approvals, of decisions, and of policies."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import Group
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from aiops.approvals import people, rules
from aiops.approvals.deciding import Decided
from aiops.approvals.models import AGENT_KINDS, ENVIRONMENTS, Approval, ApprovalItem, ApprovalPolicy, Grant, choices
from aiops.approvals.values import MOST_ASKED, ApprovalState, Choice, ItemState, Outcome
from aiops.tool_servers.client.canonical import hash_of_arguments
from aiops.tool_servers.client.values import ToolClass
from aiops.web.api.parsing import IdField, NameField, ObjectField, Strict, TextField, TruthField, WholeNumberField

MAX_REASON_BYTES, MAX_TEXT_BYTES = 2_000, 16_000
TOOL_CLASSES, OUTCOMES = choices(ToolClass), choices(Outcome)
APPROVAL_STATES, ITEM_STATES = choices(ApprovalState), choices(ItemState)


class DecisionIn(Strict):
    """What is decided about one call."""

    id = IdField()
    decision = serializers.ChoiceField([choice.value for choice in Choice])
    arguments = ObjectField(required=False, help_text="with edit: what is called instead")
    reason = TextField(required=False, max_bytes=MAX_REASON_BYTES, help_text="with reject: the model reads it")
    text = TextField(required=False, max_bytes=MAX_TEXT_BYTES, help_text="with answer: the model gets it as the result")
    remember = TruthField(required=False, help_text="allow this tool for the whole conversation")


class DecideIn(Strict):
    """Decisions about each call that waits for the caller."""

    items = serializers.ListField(child=DecisionIn(), min_length=1, max_length=MOST_ASKED)

    def decisions(self) -> list[Decided]:
        """Return the validated decisions as values."""
        return [
            Decided(
                one["id"],
                Choice(one["decision"]),
                one.get("arguments"),
                one.get("reason", ""),
                one.get("text", ""),
                one.get("remember", False),
            )
            for one in self.validated_data["items"]
        ]


class ApprovalItemOut(serializers.ModelSerializer[ApprovalItem]):
    """One call that is, or was, decided about."""

    tool_class = serializers.ChoiceField(TOOL_CLASSES)
    arguments = serializers.SerializerMethodField(help_text="with which it is, or would be, called")
    arguments_hash = serializers.SerializerMethodField()
    requested = serializers.SerializerMethodField(help_text="the arguments that the model gave")
    reason = serializers.CharField(help_text="why the model wants the call, in its own words")
    facts = ObjectField(help_text="what is known besides: class, target, reversible")
    state = serializers.ChoiceField(ITEM_STATES)
    decided_by = serializers.CharField(source="decided_by_name", allow_blank=True)
    is_mine = serializers.SerializerMethodField(help_text="whether it waits for the caller")

    class Meta:
        model = ApprovalItem
        fields = [
            "id",
            "server",
            "tool",
            "tool_class",
            "arguments",
            "arguments_hash",
            "requested",
            "parameters",
            "reason",
            "facts",
            "policy",
            "state",
            "decided_by",
            "decided_at",
            "decision_reason",
            "text",
            "preview",
            "is_mine",
        ]

    @extend_schema_field({"type": "object", "additionalProperties": True})
    def get_arguments(self, item: ApprovalItem) -> dict[str, Any]:
        """Return the arguments, with a person's changes and without known secrets."""
        return item.read

    def get_arguments_hash(self, item: ApprovalItem) -> str:
        """Return the hash of the arguments with which it is, or would be, called."""
        return hash_of_arguments(item.called)

    @extend_schema_field({"type": "object", "additionalProperties": True})
    def get_requested(self, item: ApprovalItem) -> dict[str, Any]:
        """Return the arguments that the model gave."""
        arguments: dict[str, Any] = item.shown_arguments
        return arguments

    def get_is_mine(self, item: ApprovalItem) -> bool:
        """Return whether the caller may decide about it now."""
        mine: people.Mine | None = self.context.get("mine")
        return mine is not None and mine.includes(item)


class ApprovalOut(serializers.ModelSerializer[Approval]):
    """What a run asks people before it goes on."""

    run = serializers.UUIDField(source="run_id")
    conversation = serializers.UUIDField(source="run.conversation_id")
    incident = serializers.SerializerMethodField()
    state = serializers.ChoiceField(APPROVAL_STATES)
    requested_by = serializers.CharField(source="requester.username")
    may_decide = serializers.ListField(child=serializers.CharField())
    items = ApprovalItemOut(many=True)

    class Meta:
        model = Approval
        fields = [
            "id",
            "run",
            "conversation",
            "incident",
            "state",
            "requested_by",
            "may_decide",
            "created_at",
            "expires_at",
            "decided_at",
            "items",
        ]

    @extend_schema_field({"type": ["string", "null"], "format": "uuid"})
    def get_incident(self, approval: Approval) -> None:
        """Return the incident that the run studies: there are none yet."""
        return


class GrantOut(serializers.ModelSerializer[Grant]):
    """A tool that is allowed for a whole conversation."""

    conversation = serializers.UUIDField(source="conversation_id")
    granted_by = serializers.CharField(source="granted_by.username")

    class Meta:
        model = Grant
        fields = ["id", "conversation", "server", "tool", "granted_by", "created_at"]


class PolicyChange(Strict):
    """The fields of a policy that can be changed."""

    position = WholeNumberField(
        required=False, min_value=1, max_value=10_000, help_text="the lowest that fits a call decides"
    )
    tool_class = serializers.ChoiceField(
        TOOL_CLASSES, required=False, allow_blank=True, help_text="empty: any; write includes unknown"
    )
    server = NameField(required=False, allow_blank=True, max_length=31, help_text="name of a tool server; empty: any")
    tool = NameField(required=False, allow_blank=True, max_length=200, help_text="name of a tool of that server")
    agent_kind = serializers.ChoiceField(
        AGENT_KINDS, required=False, allow_blank=True, help_text="where the run comes from"
    )
    environment = serializers.ChoiceField(ENVIRONMENTS, required=False, allow_blank=True)
    outcome = serializers.ChoiceField(OUTCOMES, required=False)
    role = NameField(required=False, allow_blank=True, max_length=150, help_text="group that decides, with ask_role")
    expires_s = WholeNumberField(
        required=False,
        allow_null=True,
        min_value=rules.SHORTEST_S,
        max_value=rules.LONGEST_S,
        help_text="how long a decision is waited for; null: AIOPS_APPROVAL_S",
    )


class PolicyIn(PolicyChange):
    """A policy that is added."""

    position = WholeNumberField(min_value=1, max_value=10_000, help_text="the lowest that fits a call decides")
    outcome = serializers.ChoiceField(OUTCOMES)


class PolicyOut(serializers.ModelSerializer[ApprovalPolicy]):
    """One policy."""

    tool_class = serializers.ChoiceField(TOOL_CLASSES, allow_blank=True)

    class Meta:
        model = ApprovalPolicy
        fields = [
            "id",
            "position",
            "tool_class",
            "server",
            "tool",
            "agent_kind",
            "environment",
            "outcome",
            "role",
            "expires_s",
            "created_at",
            "updated_at",
        ]


def groups() -> list[str]:
    """Return the names that a policy's role can have."""
    return list(Group.objects.order_by("name").values_list("name", flat=True))
