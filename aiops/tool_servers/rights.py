"""Who may let a tool server get a secret: otherwise an editor could send any secret to an address of their own."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from aiops.errors import Forbidden
from aiops.secrets.models import USE, Secret
from aiops.tool_servers import references
from aiops.tool_servers.models import MCPServer

REACHED = {"protocol", "url", "endpoint", "health_path", "headers", "command", "args", "env", "cwd", "place"}
"""Fields that determine who gets a secret."""


def secrets_of(server: MCPServer) -> set[str]:
    """Return the names of the secrets that a row refers to."""
    return references.secrets([*_values(server.headers), *_values(server.env)])


def refuse_secrets(server: MCPServer, user: Any, *, changed: Iterable[str], before: MCPServer | None = None) -> None:
    """Raise Forbidden if a change needs the permission to use secrets, which the user lacks."""
    named = secrets_of(server) | (secrets_of(before) if before is not None else set())
    if named and REACHED.intersection(changed) and not user.has_perm(USE):
        raise Forbidden(
            f"It gets the secret {min(named)!r}: that needs the permission {USE}, which an administrator can give you.",
            code="secret_not_allowed",
        )


def unknown_secrets(server: MCPServer) -> list[str]:
    """Return the names of secrets that a row refers to and that do not exist."""
    named = secrets_of(server)
    return sorted(named - set(Secret.objects.filter(name__in=named).values_list("name", flat=True))) if named else []


def users_of(name: str) -> list[str]:
    """Return the tool servers that refer to a secret."""
    return [f"the tool server {row.name}" for row in MCPServer.objects.all() if name in secrets_of(row)]


def _values(pairs: Any) -> list[Any]:
    return list(pairs.values()) if isinstance(pairs, dict) else []
