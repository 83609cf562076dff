"""Every action that the audit log records, in one list."""

from __future__ import annotations

from enum import StrEnum


class Action(StrEnum):
    """What was done; the value is stored, so it never changes."""

    APPROVAL_DECIDED = "approval.decided"
    APPROVAL_EXPIRED = "approval.expired"
    GRANT_REVOKED = "approval.grant_revoked"
    TOOL_CALLED = "tool.called"
    SECRET_RESOLVED = "secret.resolved"  # noqa: S105  an action, no secret
    CONFIGURATION_CREATED = "configuration.created"
    CONFIGURATION_CHANGED = "configuration.changed"
    CONFIGURATION_DELETED = "configuration.deleted"
    SIGN_IN_SUCCEEDED = "sign_in.succeeded"
    SIGN_IN_FAILED = "sign_in.failed"
    SIGN_OUT = "sign_out"
    PASSWORD_CHANGED = "password.changed"  # noqa: S105  an action, no password
    ACCOUNT_CREATED = "account.created"
    ACCOUNT_CHANGED = "account.changed"
    ACCOUNT_DELETED = "account.deleted"
    GROUP_CREATED = "group.created"
    GROUP_CHANGED = "group.changed"
    GROUP_DELETED = "group.deleted"
    TOKEN_CREATED = "token.created"  # noqa: S105  an action, no token
    TOKEN_REVOKED = "token.revoked"  # noqa: S105  an action, no token
    AUDIT_EXPORTED = "audit.exported"
    AUDIT_PRUNED = "audit.pruned"
    AUDIT_SIGNED = "audit.signed"


SYSTEM, WORKER, UNKNOWN = "system", "worker", "unknown"
"""Actors that are no users: commands and maintenance, worker processes, and those who failed to sign in."""
