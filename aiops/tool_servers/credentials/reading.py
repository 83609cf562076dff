"""The tool servers of one person, with that person's own credentials: read by workers when they open a session."""

from __future__ import annotations

from uuid import UUID

from aiops.secrets import encryption
from aiops.settings import Settings
from aiops.tool_servers import addresses, specs
from aiops.tool_servers.client.values import CREDENTIALS_PAGE, ServerSpec
from aiops.tool_servers.models import MCPServer, ToolCredential

NONE = f"it gets your own credential, and you have entered none: do so at {CREDENTIALS_PAGE}"
MOVED = f"its address has changed since you entered your credential: enter it again at {CREDENTIALS_PAGE}"
UNREADABLE = f"your credential cannot be read: enter it again at {CREDENTIALS_PAGE}, or tell an administrator: {{}}"


def servers_of(user_id: str, settings: Settings) -> dict[str, ServerSpec]:
    """Return the servers that get each person's own credential, by name, with this person's; raises DatabaseError.

    ``absent`` says why a server cannot be used. What a deactivated person has stored is not read.
    """
    own = ToolCredential.objects.filter(user=UUID(user_id), user__is_active=True)
    stored = {one.server_id: one for one in own}
    rows = MCPServer.objects.filter(credential=MCPServer.Credential.USER)
    return {row.name: _spec(row, stored.get(row.pk), settings) for row in rows}


def server_of(row: MCPServer, user_id: str, settings: Settings) -> ServerSpec:
    """Return one server that gets each person's own credential, with this person's, whatever its status."""
    stored = ToolCredential.objects.filter(user=UUID(user_id), user__is_active=True, server=row).first()
    return _spec(row, stored, settings, ignore_status=True)


def _spec(
    row: MCPServer, stored: ToolCredential | None, settings: Settings, *, ignore_status: bool = False
) -> ServerSpec:
    if stored is None:
        return ServerSpec(row.name, absent=NONE, personal=True)
    if stored.address != addresses.digest(row):  # of the very row that is used
        return ServerSpec(row.name, absent=MOVED, personal=True)
    try:
        value = encryption.decrypt(stored.encrypted, settings)
    except encryption.NoKey as error:
        return ServerSpec(row.name, absent=UNREADABLE.format(error), personal=True)
    return specs.of_row(row, settings, ignore_status=ignore_status, credential=value)
