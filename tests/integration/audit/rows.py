"""Rows of the audit log as tests make them, read them and tamper with them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from django.db import connection, transaction

from aiops.audit.actions import Action
from aiops.audit.models import AuditRow
from aiops.audit.recording import Entry, record, record_all


def add(count: int = 1, **details: Any) -> None:
    """Record signing out that often, each in a transaction of its own."""
    for number in range(count):
        with transaction.atomic():
            record(Action.SIGN_OUT, actor="ann", actor_id=None, object="user:ann", details={"n": number, **details})


def fill() -> None:
    """Record four things by ann, bob and a worker."""
    entries = [
        Entry(Action.SIGN_OUT, "ann", "user:ann"),
        Entry(Action.SECRET_RESOLVED, "worker", "secret:netbox"),
        Entry(Action.TOOL_CALLED, "ann", "tool:net/change"),
        Entry(Action.SIGN_OUT, "bob", "user:bob"),
    ]
    with transaction.atomic():
        record_all(entries)


def newest(action: Action) -> AuditRow:
    row = AuditRow.objects.filter(action=action).order_by("-sequence").first()
    assert row is not None
    return row


@contextlib.contextmanager
def tampering() -> Iterator[Any]:
    """Give a cursor to which the database refuses nothing, as its owner can."""
    from importlib import import_module

    protection = import_module("aiops.audit.migrations.0002_protection")

    class Editor:
        connection = connection

    protection.unprotect(None, Editor)
    try:
        with connection.cursor() as cursor:
            yield cursor
    finally:
        protection.protect(None, Editor)
