"""Idempotency keys: the same request, sent again within a day, gets the answer of the first."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models.functions import Now

from aiops.errors import IdempotencyMismatch, Invalid
from aiops.people.models import IdempotencyKey, User

LIFETIME = timedelta(hours=24)
Answer = tuple[int, Any]
"""HTTP status and JSON body."""


def fingerprint(method: str, path: str, body: bytes) -> str:
    """Return what makes two requests the same."""
    return hashlib.sha256(b"\0".join((method.encode(), path.encode(), body))).hexdigest()


def answer_once(user: User, *, key: str, fingerprint: str, act: Callable[[], Answer]) -> Answer:
    """Run ``act`` in one transaction unless this key has an answer already, and return the answer.

    The key's row is inserted first: of two simultaneous requests the second waits for the first transaction.
    Raises IdempotencyMismatch when the key came with another request before. What ``act`` raises rolls all back.
    """
    if not key:
        with transaction.atomic():
            return act()
    if len(key) > 200:
        raise Invalid("Idempotency-Key is longer than 200 characters.", code="invalid_idempotency_key")
    with transaction.atomic():
        IdempotencyKey.objects.filter(user=user, key=key, created_at__lt=Now() - LIFETIME).delete()
        row, made = IdempotencyKey.objects.get_or_create(user=user, key=key, defaults={"fingerprint": fingerprint})
        if row.fingerprint != fingerprint:
            raise IdempotencyMismatch("This Idempotency-Key was used with another request: use a new key.")
        if not made:
            return row.status, row.answer
        row.status, row.answer = act()
        row.save(update_fields=["status", "answer"])
        return row.status, row.answer


def remove_expired() -> int:
    """Delete keys past their day; return how many."""
    return IdempotencyKey.objects.filter(created_at__lt=Now() - LIFETIME).delete()[0]
