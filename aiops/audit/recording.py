"""Adds rows to the audit log: ``record`` is the one call that other features make."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from aiops import database
from aiops.audit.actions import Action
from aiops.audit.hashing import GENESIS, hash_of, storable, text
from aiops.audit.models import AuditRow, Checkpoint

LOCK = 0x6175646974
"""Number of the advisory lock that writers hold on PostgreSQL, from the sequence to their commit."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One row to be: who did what to which object (``kind:name``)."""

    action: Action
    actor: str
    object: str
    actor_id: UUID | str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)


def record(
    action: Action,
    *,
    actor: str,
    actor_id: UUID | str | None,
    object: str,  # noqa: A002  as the row calls it
    details: Mapping[str, Any] = MappingProxyType({}),
) -> None:
    """Add a row, in the transaction of what it records: both happen, or neither.

    Make it the last statement: until the commit, every other writer of the log waits. ``actor`` is a user's name, or
    one of ``actions`` for others; ``details`` hold no secrets. Raises TransactionManagementError outside a transaction.
    """
    record_all([Entry(action, actor, object, actor_id, details)])


def record_all(entries: Sequence[Entry]) -> None:
    """Add several rows at once; else like ``record``."""
    if not connection.in_atomic_block:
        raise transaction.TransactionManagementError("Record in the transaction of what is recorded.")
    if not entries:
        return
    lock()
    sequence, previous = last()
    at = database.now()
    rows = []
    for number, entry in enumerate(entries, start=sequence + 1):
        row = AuditRow(
            sequence=number,
            at=at,
            actor=text(entry.actor, most=150),
            actor_id=UUID(str(entry.actor_id)) if entry.actor_id else None,
            action=str(entry.action),
            object=text(entry.object, most=300),
            details=storable(entry.details),
            previous_hash=previous,
        )
        row.hash = previous = hash_of(row)
        rows.append(row)
    AuditRow.objects.bulk_create(rows, batch_size=100)


def lock() -> None:
    """Let no other transaction add or remove rows until this one has ended.

    Locking the last row would not do: who waits for it does not see the row that was added meanwhile, and the chain
    forks. SQLite has one writer anyway.
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])


def last() -> tuple[int, str]:
    """Return the sequence and hash of the newest row, or of the newest that was pruned; under the lock."""
    newest = AuditRow.objects.order_by("-sequence").values_list("sequence", "hash").first()
    return newest or pruned_up_to()


def pruned_up_to() -> tuple[int, str]:
    """Return the sequence and hash of the newest row that was removed; (0, GENESIS) before that."""
    pruned = Checkpoint.objects.filter(kind=Checkpoint.Kind.PRUNED).order_by("-sequence")
    return pruned.values_list("sequence", "hash").first() or (0, GENESIS)
