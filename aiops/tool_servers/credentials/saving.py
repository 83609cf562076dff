"""Stores and removes people's own credentials, the same way from every door; nobody reads one."""

from __future__ import annotations

from functools import partial
from uuid import UUID

from django.conf import settings as django_settings
from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from aiops.changes import recording
from aiops.errors import Conflict, Invalid
from aiops.events import redaction
from aiops.people import accounts
from aiops.people.models import User
from aiops.secrets import encryption
from aiops.tool_servers import addresses
from aiops.tool_servers.models import MCPServer, ToolCredential

MAX_CHARACTERS = 8_192
SHORT = f"It has fewer than {redaction.MIN_LENGTH} characters: what a server says could not be searched for it."
NOT_SENDABLE = "It has characters that no header can carry: copy it again."
A_MASK = "That is what stands in place of a value: enter the credential itself."
TAKEN = "You have a credential for this server: change it, or remove it first."
MOVED = "The address of the server has changed since you entered it: enter it again if you trust the new one."
UNUSED = "The server no longer gets people's own credentials."
WHY = "their own credential"
"""The reason in the change log: nobody asks people why they enter one."""


def own(user: User) -> QuerySet[ToolCredential]:
    """Return a person's credentials; there is no way to those of others."""
    return ToolCredential.objects.filter(user=user.pk).select_related("server", "user")


def servers() -> QuerySet[MCPServer]:
    """Return the servers that get each person's own credential."""
    return MCPServer.objects.filter(credential=MCPServer.Credential.USER)


def add(user: User, server: str, secret: str) -> ToolCredential:
    """Store a person's credential for the server of a name; raises Invalid, or Conflict when there is one."""
    found = servers().filter(name=server).first()
    if found is None:
        known = ", ".join(servers().values_list("name", flat=True)[:20]) or "there is none"
        reason = f"No server of this name gets people's own credentials. Those that do: {known}."
        raise Invalid("Correct server.", errors={"server": [reason]})
    try:
        with transaction.atomic():
            return put(ToolCredential(user=user, server=found), secret)
    except IntegrityError as error:
        raise Conflict(TAKEN, code="credential_exists") from error


def store(user: User, server: MCPServer, secret: str) -> None:
    """Store a person's credential for a server, or replace the one that is there; raises Invalid or Conflict."""
    with transaction.atomic():
        found = own(user).select_for_update(of=("self",)).filter(server=server).first()
        if found is not None:
            put(found, secret)
            return
    add(user, server.name, secret)


@transaction.atomic
def put(credential: ToolCredential, secret: str) -> ToolCredential:
    """Store the value of a credential, for the address that its server has now; raises Invalid."""
    credential.encrypted = _encrypted(secret)
    # of the row as it is now: the one at hand may have been read before a change
    server = MCPServer.objects.select_for_update().filter(pk=credential.server_id).first()
    if server is None or server.credential != MCPServer.Credential.USER:
        raise Invalid("Correct server.", errors={"server": [UNUSED]})
    credential.address = addresses.digest(server)
    with recording.by(credential.user, reason=WHY):
        credential.save()
    _announce(credential.user_id)
    credential.refresh_from_db()
    return credential


def remove(credential: ToolCredential) -> None:
    """Delete a credential; workers close its sessions."""
    with recording.by(credential.user, reason=WHY):
        credential.delete()
    _announce(credential.user_id)


def problem(credential: ToolCredential) -> str:
    """Return why a credential is not used; empty when it is."""
    if credential.server.credential != MCPServer.Credential.USER:
        return UNUSED
    return "" if credential.address == addresses.digest(credential.server) else MOVED


def _announce(user_id: UUID) -> None:
    transaction.on_commit(partial(accounts.announce, user_id))


def _encrypted(secret: str) -> str:
    value = secret.strip()
    if value == recording.MASK:
        raise _wrong(A_MASK)
    if not (value.isascii() and value.isprintable()):
        raise _wrong(NOT_SENDABLE)
    if not redaction.is_maskable(value):
        raise _wrong(SHORT)
    try:
        return encryption.encrypt(value, django_settings.SETTINGS)
    except encryption.NoKey as error:
        raise _wrong(f"It cannot be stored: {error}.") from error


def _wrong(reason: str) -> Invalid:
    return Invalid("Correct secret.", errors={"secret": [reason]})
