"""Which tool servers there are, as frozen values: the rows and, in LAB, those of ``AIOPS_TOOL_SERVERS``."""

from __future__ import annotations

from aiops.registry.environment import from_environment
from aiops.registry.models import MCPServer
from aiops.registry.references import BadReference, for_header, resolved
from aiops.settings import Settings
from aiops.tools.values import OWN_PYTHON, Protocol, ServerSpec

LOGS = "AIOPS_HOST_LOGS"
ABSENT = {
    MCPServer.Status.FAILED: "it failed",
    MCPServer.Status.UNKNOWN: "its health is not known yet",
    MCPServer.Status.MAINTENANCE: "it is in maintenance",
    MCPServer.Status.VULNERABLE: "it is marked as vulnerable",
}


def configured(settings: Settings) -> tuple[ServerSpec, ...]:
    """Return every server, those that must not serve now marked ``absent``; raises BadToolServer or DatabaseError."""
    rows = [spec(row, settings) for row in MCPServer.objects.all()]
    taken = {row.name for row in rows}
    return (*rows, *(one for one in from_environment(settings) if one.name not in taken))


def spec(row: MCPServer, settings: Settings, *, whatever_status: bool = False) -> ServerSpec:
    """Return a row's value; ``whatever_status`` for a look at its health."""
    absent = "" if whatever_status else _absent(row)
    headers: tuple[tuple[str, str], ...] = ()
    env: tuple[tuple[str, str], ...] = ()
    try:
        headers = tuple((name, for_header(str(value))) for name, value in row.headers.items())
        env = tuple((name, resolved(str(value))) for name, value in row.env.items())
    except BadReference as error:
        absent = absent or str(error)
    if row.command == OWN_PYTHON and LOGS not in row.env:
        env += ((LOGS, settings.host_logs),)
    base = row.url.rstrip("/")
    return ServerSpec(
        row.name,
        protocol=Protocol(row.protocol),
        url=base + row.endpoint if row.endpoint else row.url,
        headers=headers,
        command=row.command,
        args=tuple(row.args),
        env=env,
        external=row.place == MCPServer.Place.EXTERNAL,
        required=row.required,
        health_url=base + row.health_path if row.health_path else "",
        handshake_s=float(row.handshake_s),
        call_s=float(row.call_s) if row.call_s else None,
        absent=absent,
    )


def _absent(row: MCPServer) -> str:
    if row.status == MCPServer.Status.HEALTHY:
        return ""
    words = ABSENT[MCPServer.Status(row.status)]
    return f"{words} ({row.problem})" if row.problem and row.status == MCPServer.Status.FAILED else words
