"""What a policy must be: a malformed one is refused when it is saved."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import Group
from django.core.exceptions import ValidationError

from aiops.approvals.values import Outcome
from aiops.runs.sources import Source

AGENT_KINDS = tuple(source.value for source in Source)
ENVIRONMENTS = ("LAB", "NONPROD", "PROD")
SHORTEST_S, LONGEST_S = 60, 30 * 86_400
CONDITIONS = ("tool_class", "server", "tool", "agent_kind", "environment")


def label(policy: Any) -> str:
    """Return a policy as records name it."""
    wanted = " ".join(f"{name}={getattr(policy, name)}" for name in CONDITIONS if getattr(policy, name))
    role = f" {policy.role}" if policy.role else ""
    return f"policy {policy.position}: {wanted or 'everything'} → {policy.outcome}{role}"


def check(policy: Any) -> None:
    """Raise ValidationError, naming the fields, for a policy that cannot be meant."""
    if policy.outcome == Outcome.ASK_ROLE:
        if not policy.role:
            raise ValidationError({"role": "Name the group that decides."})
        if not Group.objects.filter(name=policy.role).exists():
            raise ValidationError({"role": "There is no such group."})
    elif policy.role:
        raise ValidationError({"role": "Only ask_role has one."})
    if policy.expires_s is not None and policy.outcome not in (Outcome.ASK_USER, Outcome.ASK_ROLE):
        raise ValidationError({"expires_s": "Nothing is waited for: leave it out."})
    if policy.tool and not policy.server:
        raise ValidationError({"server": "Name the server of the tool: another one may have a tool of that name."})
