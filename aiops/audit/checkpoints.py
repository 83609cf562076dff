"""Writes checkpoints: they show that rows were removed at the end, or all rewritten from some row on."""

from __future__ import annotations

from django.db import transaction

from aiops import database
from aiops.audit import signing
from aiops.audit.models import Checkpoint
from aiops.audit.verifying import Place, Problem, verify


class Tampered(Exception):
    """Rows were changed or removed; the message names the first one."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(f"The audit log does not verify. {problem}")
        self.problem = problem


def newest() -> Checkpoint | None:
    """Return the checkpoint of the highest row."""
    return Checkpoint.objects.order_by("-sequence", "-id").first()


def add(kind: Checkpoint.Kind, place: Place) -> Checkpoint:
    """Sign that the log was like this, now."""
    made = Checkpoint(kind=kind, sequence=place.sequence, hash=place.hash, at=database.now())
    signing.sign(made).save()
    return made


def advance() -> int:
    """Verify the rows behind the newest checkpoint and sign the last one; return how many there were.

    Raises Tampered. Earlier rows are not read again: ``aiops audit verify`` reads all.
    """
    sign_by_current_key()
    before = newest()
    known = before.sequence if before else 0
    after = max(known - 1, 0)  # so that the row of the checkpoint is compared with it
    while True:
        page = verify(after)
        if page.problem is not None:
            raise Tampered(page.problem)
        after = page.last.sequence
        if page.done:
            break
    if page.last.sequence > known:
        add(Checkpoint.Kind.VERIFIED, page.last)
    return page.last.sequence - known


def sign_by_current_key(*, trusted: bool = False) -> int:
    """Sign again what a previous secret key has signed, ``trusted`` also what no known key has; return how many."""
    last = newest()
    if last is None or (signing.is_current(last) and not trusted):
        return 0  # all of them: each run signs the earlier ones first
    count = 0
    with transaction.atomic():
        for one in Checkpoint.objects.select_for_update().order_by("pk"):
            if not signing.is_current(one) and (trusted or signing.is_signed(one)):
                signing.sign(one).save(update_fields=["signature"])
                count += 1
    return count
