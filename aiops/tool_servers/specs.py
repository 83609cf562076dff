"""The configured tool servers as frozen values: the rows and, in LAB, the entries of ``AIOPS_TOOL_SERVERS``."""

from __future__ import annotations

from functools import partial

from django.core.exceptions import ValidationError

from aiops.secrets.checking import by_name
from aiops.secrets.resolving import Unresolved
from aiops.settings import Settings
from aiops.tool_servers.client.values import OWN_PYTHON, Protocol, ServerSpec
from aiops.tool_servers.environment import from_environment
from aiops.tool_servers.models import MCPServer
from aiops.tool_servers.references import BadReference, for_header, resolved
from aiops.tool_servers.rules import AUTHORIZATION, header_of_credential

LOGS = "AIOPS_HOST_LOGS"
MAX_CHARACTERS = 300
ABSENT = {
    MCPServer.Status.FAILED: "it failed",
    MCPServer.Status.UNKNOWN: "its health is not known yet",
    MCPServer.Status.MAINTENANCE: "it is in maintenance",
    MCPServer.Status.VULNERABLE: "it is marked as vulnerable",
}


def configured(settings: Settings) -> tuple[ServerSpec, ...]:
    """Return every server, with ``absent`` set for those that must not be used; raises BadToolServer, DatabaseError."""
    rows = [of_row(row, settings) for row in MCPServer.objects.all()]
    names = {row.name for row in rows}
    return (*rows, *(one for one in from_environment(settings) if one.name not in names))


def of_row(row: MCPServer, settings: Settings, *, ignore_status: bool = False, credential: str = "") -> ServerSpec:
    """Return a row's value, ``absent`` when the row is invalid; health checks ignore its status.

    ``credential`` is that of the one person whose sessions the value is for.
    """
    try:
        row.full_clean(validate_unique=False, validate_constraints=False)
    except ValidationError as error:  # written by raw SQL, or before a rule was made stricter
        wrong = "; ".join(f"{field}: {' '.join(reasons)}" for field, reasons in error.message_dict.items())
        return ServerSpec(row.name, required=bool(row.required), absent=f"Its row is wrong: {wrong}"[:MAX_CHARACTERS])
    absent = "" if ignore_status else _absent(row)
    try:
        secret = partial(by_name, settings=settings)
        headers = tuple((name, for_header(str(value), secret=secret)) for name, value in row.headers.items())
        env = tuple((name, resolved(str(value), secret=secret)) for name, value in row.env.items())
    except (BadReference, Unresolved) as error:
        return ServerSpec(row.name, required=row.required, absent=absent or str(error))
    if row.command == OWN_PYTHON and LOGS not in row.env:
        env += ((LOGS, settings.host_logs),)
    if credential:
        headers += (_header(row, credential),)
    base = row.url.rstrip("/")
    return ServerSpec(
        row.name,
        protocol=Protocol(row.protocol),
        url=base + row.endpoint if row.endpoint else row.url,
        headers=headers,
        command=row.command,
        args=tuple(row.args),
        env=env,
        cwd=row.cwd,
        external=row.place == MCPServer.Place.EXTERNAL,
        required=row.required,
        health_url=base + row.health_path if row.health_path else "",
        handshake_s=float(row.handshake_s),
        call_s=float(row.call_s) if row.call_s else None,
        absent=absent,
        personal=row.credential == MCPServer.Credential.USER,
        credential=credential,
    )


def _header(row: MCPServer, credential: str) -> tuple[str, str]:
    """Return the header with a person's credential; one with a scheme, such as Basic, is sent as it is."""
    name = header_of_credential(row)
    has_scheme = " " in credential or name.lower() != AUTHORIZATION.lower()
    return name, credential if has_scheme else f"Bearer {credential}"


def _absent(row: MCPServer) -> str:
    if row.status == MCPServer.Status.HEALTHY:
        return ""
    reason = ABSENT[MCPServer.Status(row.status)]
    return f"{reason} ({row.problem})" if row.problem and row.status == MCPServer.Status.FAILED else reason
