"""The API of approvals: what waits, decisions, what was allowed for a conversation, and the policies."""

from __future__ import annotations

from typing import Any, cast

import django_filters
from django.db import transaction
from django.db.models import Prefetch, Q, QuerySet
from django.http import HttpRequest
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_view
from rest_framework.decorators import action
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from aiops.approvals import people, saving
from aiops.approvals.deciding import decide
from aiops.approvals.models import Approval, ApprovalItem, ApprovalPolicy, Grant, choices
from aiops.approvals.shapes import (
    OUTCOMES,
    TOOL_CLASSES,
    ApprovalOut,
    DecideIn,
    GrantOut,
    PolicyChange,
    PolicyIn,
    PolicyOut,
)
from aiops.approvals.values import ApprovalState
from aiops.audit.actions import Action
from aiops.audit.recording import record
from aiops.people.models import User
from aiops.web.api.filtering import StrictFilters, TruthFilter
from aiops.web.api.paging import ByChoice, ById
from aiops.web.api.row_shapes import described
from aiops.web.api.rows import Rows

POLICIES = "approval-policies"


class ApprovalFilters(django_filters.FilterSet):
    state = django_filters.ChoiceFilter(choices=choices(ApprovalState))
    mine = TruthFilter(method="waits_for_me", help_text="true: those that wait for the caller's decision")
    asked = TruthFilter(method="asked_by_me", help_text="true: those of the caller's runs")

    def _caller(self) -> User:
        return cast(User, cast(HttpRequest, self.request).user)

    def waits_for_me(self, queryset: QuerySet[Approval], name: str, value: bool) -> QuerySet[Approval]:
        waiting = people.for_me(self._caller()).values("pk")
        return queryset.filter(pk__in=waiting) if value else queryset.exclude(pk__in=waiting)

    def asked_by_me(self, queryset: QuerySet[Approval], name: str, value: bool) -> QuerySet[Approval]:
        own = {"requester": self._caller().pk}
        return queryset.filter(**own) if value else queryset.exclude(**own)


@extend_schema_view(list=extend_schema(tags=["approvals"]), retrieve=extend_schema(tags=["approvals"]))
class Approvals(ListModelMixin, RetrieveModelMixin, GenericViewSet[Approval]):
    """``/api/approvals/``: those that the caller asked for, or is asked about."""

    queryset = Approval.objects.none()
    serializer_class = ApprovalOut
    pagination_class = ById
    filter_backends = [StrictFilters]
    filterset_class = ApprovalFilters
    lookup_value_converter = "uuid"

    def get_queryset(self) -> QuerySet[Approval]:
        items = Prefetch("items", ApprovalItem.objects.select_related("approval"))
        visible = people.visible_to(cast(User, self.request.user))
        return visible.select_related("run", "requester").defer("message").prefetch_related(items)

    def get_serializer_context(self) -> dict[str, Any]:
        user = cast(User, self.request.user)
        return {**super().get_serializer_context(), "mine": people.Mine(user)}

    @extend_schema(
        request=DecideIn,
        responses=ApprovalOut,
        examples=[
            OpenApiExample(
                "one call is allowed",
                {"items": [{"id": "019a0000-0000-7000-8000-000000000000", "decision": "approve"}]},
                request_only=True,
            )
        ],
        tags=["approvals"],
    )
    @action(detail=True, methods=["post"])
    def decide(self, request: Request, pk: Any) -> Response:
        """Decide about each call that waits for you; the first decision counts, and a later one is 409."""
        body = DecideIn(data=request.data)
        body.is_valid(raise_exception=True)
        decide(cast(User, request.user), pk, body.decisions())
        return Response(self.get_serializer(self.get_object()).data)


@extend_schema_view(list=extend_schema(tags=["approvals"]))
class Grants(ListModelMixin, GenericViewSet[Grant]):
    """``/api/approval-grants/``: tools that are allowed for a whole conversation of the caller, or by the caller."""

    queryset = Grant.objects.none()
    serializer_class = GrantOut
    pagination_class = ById
    filter_backends: list[Any] = []
    lookup_value_converter = "uuid"

    def get_queryset(self) -> QuerySet[Grant]:
        return people.grants_of(cast(User, self.request.user)).select_related("granted_by")

    @extend_schema(request=None, responses={204: None}, tags=["approvals"])
    def destroy(self, request: Request, pk: Any) -> Response:
        """Revoke it: the next call of that tool is asked about again."""
        with transaction.atomic():
            grant = self.get_object()
            grant.delete()
            record(
                Action.GRANT_REVOKED,
                actor=cast(User, request.user).username,
                actor_id=request.user.pk,
                object=f"conversation:{grant.conversation_id}",
                details={"tool": f"{grant.server}/{grant.tool}"},
            )
        return Response(status=204)


class PolicyFilters(django_filters.FilterSet):
    tool_class = django_filters.ChoiceFilter(choices=TOOL_CLASSES)
    outcome = django_filters.ChoiceFilter(choices=OUTCOMES)
    server = django_filters.CharFilter(max_length=31)
    search = django_filters.CharFilter(method="named", max_length=200)

    def named(self, queryset: QuerySet[ApprovalPolicy], name: str, value: str) -> QuerySet[ApprovalPolicy]:
        """Return those whose server, tool or group has these letters in its name."""
        return queryset.filter(Q(server__icontains=value) | Q(tool__icontains=value) | Q(role__icontains=value))


class ByPolicyPosition(ByChoice):
    usual = "position"


@described(
    POLICIES,
    new=PolicyIn,
    change=PolicyChange,
    row=PolicyOut,
    example=(
        "writing is forbidden in production",
        {"position": 10, "tool_class": "write", "environment": "PROD", "outcome": "never"},
    ),
)
class ApprovalPolicies(Rows):
    """``/api/approval-policies/``, in their order."""

    table = ApprovalPolicy
    queryset = ApprovalPolicy.objects.all()
    key = ("position",)
    serializer_class = PolicyOut
    filterset_class = PolicyFilters
    pagination_class = ByPolicyPosition
    orderings = ("position", "created_at", "updated_at")
    shape, change = PolicyIn, PolicyChange
    defaults = {
        "tool_class": "",
        "server": "",
        "tool": "",
        "agent_kind": "",
        "environment": "",
        "role": "",
        "expires_s": None,
    }

    def save_row(self, row: ApprovalPolicy, fields: dict[str, Any], user: User) -> ApprovalPolicy:
        return saving.put(row, fields)

    def remove_row(self, row: ApprovalPolicy, user: User) -> None:
        row.delete()
