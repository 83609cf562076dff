"""Saves policies."""

from __future__ import annotations

from typing import Any

from aiops.approvals.models import ApprovalPolicy
from aiops.rows import check


def put(policy: ApprovalPolicy, fields: dict[str, Any]) -> ApprovalPolicy:
    """Apply fields and save; raises Invalid for a policy that cannot be meant."""
    for name, value in fields.items():
        setattr(policy, name, value)
    check(policy)
    policy.save()
    policy.refresh_from_db()
    return policy
