"""Removes old rows: always the oldest ones, up to a signed checkpoint from which the rest verifies."""

from __future__ import annotations

from datetime import UTC
from itertools import takewhile
from typing import Any

from django.db import connection, transaction
from django.db.models import DateTimeField, QuerySet
from django.db.models.functions import Trunc

from aiops import log
from aiops.audit import checkpoints, recording, signing
from aiops.audit.actions import SYSTEM, Action
from aiops.audit.hashing import GENESIS, time_text
from aiops.audit.models import AuditRow, Checkpoint
from aiops.audit.verifying import Place, Problem, follows

logger = log.get(__name__)


def old(state: str, before: Any) -> QuerySet[AuditRow]:
    """Return the rows of the days before a time, oldest first: whole days, since each removal adds a row."""
    day = Trunc(before, "day", output_field=DateTimeField(), tzinfo=UTC)
    return AuditRow.objects.filter(at__lt=day).order_by("sequence")


def prune(due: QuerySet[AuditRow]) -> int:
    """Remove those of these rows that have none before them; return how many.

    None if one of them does not verify: it is evidence. A row whose time lies later than that of its successors, by a
    clock that was wrong, keeps them until it is old itself.
    """
    with transaction.atomic():
        recording.lock()
        wanted = set(due.values_list("pk", flat=True))
        begin, problem = _begin()
        behind = AuditRow.objects.filter(sequence__gt=begin.sequence).order_by("sequence")[: len(wanted)]
        rows = list(takewhile(lambda row: row.pk in wanted, behind))
        if rows and problem is None:
            _, problem = follows(rows, begin)
        if problem is not None:
            logger.error("audit.not_pruned", problem=str(problem))
            return 0
        if rows:
            _remove(rows)
        return len(rows)


def _begin() -> tuple[Place, Problem | None]:
    """Return the row up to which earlier ones were removed, and what is wrong with the checkpoint that says so."""
    before = Checkpoint.objects.filter(kind=Checkpoint.Kind.PRUNED).order_by("-sequence").first()
    if before is None:
        return Place(0, GENESIS), None
    place = Place(before.sequence, before.hash)
    return place, None if signing.is_signed(before) else Problem(before.sequence, "has a checkpoint that is not signed")


def _remove(rows: list[AuditRow]) -> None:
    first, last = rows[0], rows[-1]
    made = checkpoints.add(Checkpoint.Kind.PRUNED, Place(last.sequence, last.hash))  # first: the database demands it
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM audit_auditrow WHERE sequence <= %s", [last.sequence])
    Checkpoint.objects.filter(sequence__lte=last.sequence).exclude(pk=made.pk).delete()
    recording.record(
        Action.AUDIT_PRUNED,
        actor=SYSTEM,
        actor_id=None,
        object=f"audit:{first.sequence}-{last.sequence}",
        details={"rows": len(rows), "from": time_text(first.at), "to": time_text(last.at), "hash": last.hash},
    )
