"""Takes note of tools that only people's own sessions see: health checks have no credential to list them with."""

from __future__ import annotations

from collections.abc import Iterable

from django.db import DataError, IntegrityError

from aiops import log
from aiops.events.redaction import Redactor
from aiops.settings import Settings
from aiops.tool_servers import lifecycle
from aiops.tool_servers.catalogue import listing
from aiops.tool_servers.client.values import Health, Offered
from aiops.tool_servers.models import MCPServer
from aiops.tool_servers.offers import cleaned

logger = log.get(__name__)


def record(server: str, offered: Iterable[Offered], settings: Settings) -> None:
    """Write the tools that one person's session lists into the rows of tools; what is not among them stays as it is.

    Raises DatabaseError when the database is away.
    """
    row = MCPServer.objects.filter(name=server, credential=MCPServer.Credential.USER).first()
    seen = cleaned(Health(tools=tuple(offered)), Redactor.from_settings(settings))
    try:
        changed = row is not None and listing.record(row, seen.tools or (), settings, whole=False)
    except (DataError, ValueError, TypeError, IntegrityError):
        logger.exception("tools.list_not_stored", server=server)
        return
    if changed:
        lifecycle.announce()
