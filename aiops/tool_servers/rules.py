"""Validates the row of a tool server."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ValidationError

from aiops import net, untrusted
from aiops.events.redaction import SECRET_NAMES
from aiops.tool_servers import references

if TYPE_CHECKING:
    from aiops.tool_servers.models import MCPServer

HEADER = re.compile(r"^[A-Za-z0-9\-_]{1,100}\Z")
PATH = re.compile(r"^/(?:[!-~](?<![?#]))*\Z")
VARIABLE = re.compile(r"^[A-Za-z_][A-Za-z0-9_]{0,99}\Z")
AUTHORIZATION = "Authorization"
MAX_ENTRIES = 50
MAX_CHARACTERS = 1_000
REFERENCE_ONLY = (
    "Write secret:NAME (see Secrets), or env:AIOPS_SECRET_…, the name of a variable of the workers; inside a text, "
    "${secret:NAME} or ${AIOPS_SECRET_…}. Secrets are not stored in this table."
)
NO_REFERENCE = "References to secrets are replaced only in headers and in the environment: put it there."
OF_URL = ("url", "endpoint", "health_path", "headers")
OF_COMMAND = ("command", "args", "env", "cwd")
USER_OF_COMMAND = (
    "A command would have it in its environment, which every other command on the worker's machine can read: "
    "each person's own credential goes only to servers over HTTP."
)
SENT = "This header gets each person's own credential: leave it out here."
ONLY_OF_USERS = "Only each person's own credential has a header of its own: leave it empty."
JSON_FIELDS: dict[str, type] = {"headers": dict, "args": list, "env": dict}


def check(server: MCPServer) -> None:
    """Raise ValidationError, by field, for an invalid tool server."""
    stdio = server.protocol == server.Protocol.STDIO
    errors: dict[str, str] = {}
    for field, empty in JSON_FIELDS.items():
        if getattr(server, field) is None:
            setattr(server, field, empty())
        elif not isinstance(getattr(server, field), empty):
            errors[field] = "An object of names and texts." if empty is dict else "A list of texts."
    if errors:
        raise ValidationError(dict(errors))
    for field in OF_URL if stdio else OF_COMMAND:
        if getattr(server, field):
            errors[field] = f"Not with {server.get_protocol_display()}: leave it empty."
    errors |= _problems_of_command(server) if stdio else _problems_of_url(server)
    errors |= _problems_of_credential(server)
    for field in ("url", "endpoint", "health_path", "command", "cwd", "args"):
        written = getattr(server, field)
        if any(_refers(one) for one in (written if isinstance(written, list) else [written])):
            errors[field] = NO_REFERENCE
    if errors:
        raise ValidationError(dict(errors))
    if server.credential != server.Credential.USER:
        server.credential = server.Credential.SHARED if refers(server) else server.Credential.NONE


def refers(server: MCPServer) -> bool:
    """Return whether a row's headers or environment refer to a secret: then that is what its server gets."""
    return any(references.names(str(one)) for one in (*server.headers.values(), *server.env.values()))


def header_of_credential(server: MCPServer) -> str:
    """Return the header that each person's own credential goes into."""
    return server.credential_header or AUTHORIZATION


def _problems_of_credential(server: MCPServer) -> dict[str, str]:
    if server.credential != server.Credential.USER:
        return {"credential_header": ONLY_OF_USERS} if server.credential_header else {}
    if server.protocol == server.Protocol.STDIO:
        return {"credential": USER_OF_COMMAND}
    header = header_of_credential(server)
    if not HEADER.match(header):
        return {"credential_header": "A name of letters, digits, - and _."}
    if header.lower() in {name.lower() for name in server.headers}:
        return {"headers": f"{header}: {SENT}"}
    return {}


def _problems_of_url(server: MCPServer) -> dict[str, str]:
    errors: dict[str, str] = {}
    try:
        scheme = net.check(server.url)[0]
    except net.BadAddress as error:
        errors["url"] = str(error)
    else:
        if "?" in server.url:
            errors["url"] = "The URL must not have a query: put keys into headers, as references."
        elif server.place == server.Place.EXTERNAL and scheme != "https":
            errors["url"] = "An external server must use https."
    for field in ("endpoint", "health_path"):
        path = getattr(server, field)
        if path and not PATH.match(path):
            errors[field] = "A path begins with / and contains only ASCII characters, no spaces and no query."
    return errors | _problems_of_pairs(server.headers, "headers", names=HEADER, plain=False)


def _problems_of_command(server: MCPServer) -> dict[str, str]:
    errors: dict[str, str] = {}
    if not server.command or not server.command.isprintable():
        errors["command"] = "Give the program to run."
    if server.cwd and not (server.cwd.startswith("/") and server.cwd.isprintable()):
        errors["cwd"] = "The folder must be a whole path, which begins with /."
    if server.place == server.Place.EXTERNAL:
        errors["place"] = "A command runs on the worker's machine: it must be internal."
    args: list[Any] = server.args
    if len(args) > MAX_ENTRIES or not all(_is_text(one) for one in args):
        errors["args"] = f"A list of at most {MAX_ENTRIES} texts."
    return errors | _problems_of_pairs(server.env, "env", names=VARIABLE, plain=True)


def _problems_of_pairs(pairs: dict[str, Any], field: str, *, names: re.Pattern[str], plain: bool) -> dict[str, str]:
    """Return what is wrong with headers or variables; ``plain``: names without a likely secret may have any value."""
    if len(pairs) > MAX_ENTRIES:
        return {field: f"An object of at most {MAX_ENTRIES} names and texts."}
    for name, value in pairs.items():
        if not names.match(name) or not _is_text(value):
            return {field: f"{name[:100]!r}: a name of letters, digits, - and _, and a text."}
        if not references.names(value) and (not plain or SECRET_NAMES.search(name)):
            return {field: f"{name}: {REFERENCE_ONLY}"}
        if problem := references.fault(value):
            return {field: f"{name}: {problem}"}
    return {}


def _refers(value: Any) -> bool:
    """Return whether a text refers to a secret where references are not replaced: it would be passed as it stands."""
    if not isinstance(value, str):
        return False
    return bool(references.names(value)) or (references.PREFIX in value and bool(references.LEFT.search(value)))


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= MAX_CHARACTERS and not untrusted.fault(value)
