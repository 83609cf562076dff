"""Signs deliveries as in Standard Webhooks (standardwebhooks.com, version 1): id, time and body with one key.

The key is derived from AIOPS_SECRET_KEY, the user and a number, so no secret is stored. While the secret key is
rotated, each delivery carries a signature by each key, and receivers accept it if one of them is right.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Sequence
from uuid import UUID

from aiops.errors import Conflict
from aiops.people.models import User
from aiops.settings import Settings
from aiops.webhooks.models import Key

PREFIX = "whsec_"


def key_of(user_id: UUID, settings: Settings) -> str:
    """Return the key that a user's receivers verify with; raises Conflict when AIOPS_SECRET_KEY is not set."""
    return keys_of(user_id, settings)[0]


def keys_of(user_id: UUID, settings: Settings) -> list[str]:
    """Return the user's key, then those derived from previous secret keys; raises Conflict as ``key_of``."""
    number = Key.objects.filter(user=user_id).values_list("number", flat=True).first() or 1
    secret = settings.secret_key.get_secret_value()
    if not secret:
        raise Conflict("AIOPS_SECRET_KEY is not set, so webhooks cannot be signed: set it.", code="conflict")
    return [_derive(one, user_id, number) for one in (secret, *settings.previous_secret_keys())]


def _derive(secret: str, user_id: UUID, number: int) -> str:
    # the prefix keeps this key apart from other uses of the secret
    made = hmac.new(secret.encode(), f"webhook:{user_id}:{number}".encode(), hashlib.sha256).digest()
    return PREFIX + base64.b64encode(made).decode()


def renew(user: User) -> None:
    """Replace a user's key; receivers must be given the new one."""
    key, _ = Key.objects.get_or_create(user=user)
    Key.objects.filter(pk=key.pk).update(number=key.number + 1)


def headers(keys: Sequence[str], *, id_: str, timestamp: int, body: bytes) -> dict[str, str]:
    """Return the signature headers of one delivery, with a signature by each key."""
    signed = f"{id_}.{timestamp}.".encode() + body
    signatures = " ".join(_sign(base64.b64decode(key.removeprefix(PREFIX)), signed) for key in keys)
    return {"webhook-id": id_, "webhook-timestamp": str(timestamp), "webhook-signature": signatures}


def _sign(secret: bytes, signed: bytes) -> str:
    return "v1," + base64.b64encode(hmac.new(secret, signed, hashlib.sha256).digest()).decode()
