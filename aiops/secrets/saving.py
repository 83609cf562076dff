"""Saves and removes secrets, the same way from every door."""

from __future__ import annotations

from typing import Any

import redis
from django.conf import settings as django_settings
from django.db import IntegrityError, transaction

from aiops import database, keyspace, log
from aiops.apps import features, load
from aiops.errors import Invalid
from aiops.rows import check, refuse_in_use
from aiops.secrets import encryption
from aiops.secrets.models import Secret

MASK = "********"
"""Shown instead of a stored value; sent back, it leaves the value as it is."""
TAKEN = "There is already a secret of this name."

logger = log.get(__name__)


def put(secret: Secret, fields: dict[str, Any]) -> Secret:
    """Apply fields (name, kind, reference, value) and save; raises Invalid, or Conflict to rename one in use."""
    changed = dict(fields)
    value = changed.pop("value", MASK)
    before = Secret.objects.get(pk=secret.pk) if not secret._state.adding else None
    for name, one in changed.items():
        setattr(secret, name, one)
    if before is not None and before.name != secret.name:
        refuse_in_use(users(before.name), to="renamed")
    if secret.kind != Secret.Kind.STORED:
        if value not in (MASK, ""):
            raise Invalid("Correct value.", errors={"value": ["Only secrets of kind stored have one: leave it out."]})
    elif value != MASK:
        secret.encrypted = _encrypted(value)
        if "reference" not in changed:
            secret.reference = ""
    check(secret, validate_constraints=False)  # the rules say the same, by field
    try:
        with transaction.atomic():
            secret.save()
            database.once_committed(announce)
    except IntegrityError as error:
        raise Invalid("Correct name.", errors={"name": [TAKEN]}) from error
    secret.refresh_from_db()
    return secret


def remove(secret: Secret) -> None:
    """Delete a secret; raises Conflict, naming who uses it."""
    refuse_in_use(users(secret.name), to="deleted")
    secret.delete()
    database.once_committed(announce)


def announce() -> None:
    """Let workers read secrets again; without Redis they do so within a minute."""
    try:
        keyspace.sync().publish(keyspace.CONTROL, keyspace.control(keyspace.SECRETS))
    except redis.RedisError as error:
        logger.warning("secrets.change_not_sent", error=str(error))


def users(name: str) -> list[str]:
    """Return what refers to a secret, as people read it."""
    return [one for feature in features() if feature.referrers for one in load(feature.referrers)(name)]


def _encrypted(value: str) -> str:
    if not value:
        return ""
    if not value.isprintable():
        raise Invalid("Correct value.", errors={"value": ["It has control characters: copy it again."]})
    try:
        return encryption.encrypt(value, django_settings.SETTINGS)
    except encryption.NoKey as error:
        raise Invalid("Correct value.", errors={"value": [f"It cannot be stored: {error}."]}) from error
