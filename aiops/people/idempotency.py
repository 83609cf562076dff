"""Idempotency keys: a request that is repeated within a day gets the first response again."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models.functions import Now

from aiops.errors import IdempotencyMismatch, Invalid
from aiops.people.models import IdempotencyKey, User

LIFETIME = timedelta(hours=24)
MAX_KEY_CHARACTERS = 200
KEY_PATTERN = "^[ -~¡-¬®-ÿ]*$"
"""Printable characters of a header, which HTTP servers decode as Latin-1."""
Answer = tuple[int, Any]
"""HTTP status and JSON body."""


def fingerprint(method: str, path: str, body: bytes) -> str:
    """Return a digest that is equal for equal requests."""
    return hashlib.sha256(b"\0".join((method.encode(), path.encode(), body))).hexdigest()


def answer_once(user: User, *, key: str, fingerprint: str, act: Callable[[], Answer]) -> Answer:
    """Run ``act`` in one transaction unless this key already has a response, and return the response.

    The key's row is inserted first: of two simultaneous requests the second waits for the first transaction.
    Raises IdempotencyMismatch when the key was used with another request. Errors of ``act`` roll everything back.
    """
    if not key:
        with transaction.atomic():
            return act()
    if len(key) > MAX_KEY_CHARACTERS or not re.fullmatch(KEY_PATTERN, key):
        errors = {"Idempotency-Key": [f"A printable text of at most {MAX_KEY_CHARACTERS} characters."]}
        raise Invalid("Correct Idempotency-Key.", errors=errors, code="invalid_idempotency_key")
    with transaction.atomic():
        # the maintenance job may not have removed the expired key yet
        IdempotencyKey.objects.filter(user=user, key=key, created_at__lt=Now() - LIFETIME).delete()
        row, made = IdempotencyKey.objects.get_or_create(user=user, key=key, defaults={"fingerprint": fingerprint})
        if row.fingerprint != fingerprint:
            raise IdempotencyMismatch("This Idempotency-Key was used with another request: use a new key.")
        if not made:
            return row.status, row.answer
        row.status, row.answer = act()
        row.save(update_fields=["status", "answer"])
        return row.status, row.answer
