"""Policies in the administration; approvals are decided on their own pages alone."""

from __future__ import annotations

from django.contrib import admin

from aiops.approvals.api import POLICIES, ApprovalPolicies
from aiops.approvals.models import ApprovalPolicy
from aiops.web.administration.rows import RowAdmin


@admin.register(ApprovalPolicy)
class ApprovalPolicyAdmin(RowAdmin):
    rows, resource = ApprovalPolicies, POLICIES
    list_display = (
        *("position", "tool_class", "server", "tool", "agent_kind", "environment"),
        *("outcome", "role", "expires_s", "updated_at"),
    )
    list_filter = ("outcome", "tool_class", "environment")
    search_fields = ("server", "tool", "role")
