"""The chain verifies, and names the first row that was changed or is missing."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import override_settings

from aiops.audit import checkpoints
from aiops.audit.actions import Action
from aiops.audit.checkpoints import Tampered
from aiops.audit.hashing import hash_of
from aiops.audit.models import AuditRow, Checkpoint
from aiops.audit.verifying import Problem, verify
from tests.integration.audit import rows

pytestmark = pytest.mark.django_db
Tamper = Callable[[Any], object]


def verify_all(*, limit: int = 3) -> Problem | None:
    """Verify in small pages, as clients do; return the problem."""
    after, checked = 0, 0
    while True:
        page = verify(after, limit=limit)
        after, checked = page.last.sequence, checked + page.checked
        if page.done or page.problem:
            assert page.problem or checked == AuditRow.objects.count()
            return page.problem


def execute(sql: str, *values: Any) -> Tamper:
    return lambda cursor: cursor.execute(sql, values)


def swap(cursor: Any) -> None:
    """Exchange what happened in two rows, with their hashes."""
    four, five = AuditRow.objects.filter(sequence__in=[4, 5]).order_by("sequence")
    for at, other in ((four, five), (five, four)):
        values = "details = %s, hash = %s, previous_hash = %s"
        details = '{"n": %d}' % other.details["n"]  # noqa: UP031
        cursor.execute(
            f"UPDATE audit_auditrow SET {values} WHERE sequence = %s",
            [details, other.hash, other.previous_hash, at.sequence],
        )


def rehash(cursor: Any) -> None:
    """Change one row and its hash, and nothing else."""
    row = AuditRow.objects.get(sequence=5)
    row.actor = "bob"
    cursor.execute("UPDATE audit_auditrow SET actor = 'bob', hash = %s WHERE sequence = 5", [hash_of(row)])


def rewrite(cursor: Any) -> None:
    """Change a row and make a new chain from there on, as somebody does who knows how it is made."""
    previous = AuditRow.objects.get(sequence=4).hash
    for row in AuditRow.objects.filter(sequence__gte=5).order_by("sequence"):
        row.actor, row.previous_hash = "bob", previous
        previous = hash_of(row)
        values = [row.actor, row.previous_hash, previous, row.sequence]
        cursor.execute("UPDATE audit_auditrow SET actor=%s, previous_hash=%s, hash=%s WHERE sequence=%s", values)


TAMPERED = [
    (execute("UPDATE audit_auditrow SET actor = 'bob' WHERE sequence = 5"), 5, "was changed"),
    (execute("UPDATE audit_auditrow SET action = 'sign_in.succeeded' WHERE sequence = 1"), 1, "was changed"),
    (execute("UPDATE audit_auditrow SET details = '[]' WHERE sequence = 5"), 5, "was changed"),
    (execute("UPDATE audit_auditrow SET details = '{\"n\": 1e300}' WHERE sequence = 5"), 5, "was changed"),
    (execute("UPDATE audit_auditrow SET hash = 'x' WHERE sequence = 10"), 10, "was changed"),
    (execute("DELETE FROM audit_auditrow WHERE sequence = 5"), 5, "is missing"),
    (execute("DELETE FROM audit_auditrow WHERE sequence <= 5"), 1, "is missing"),
    (execute("DELETE FROM audit_auditrow WHERE sequence >= 7"), 7, "is missing, and all up to row 10"),
    (execute("DELETE FROM audit_auditrow"), 1, "is missing, and all up to row 10"),
    (swap, 4, "was changed"),
    (rehash, 6, "does not follow the row before it"),
    (rewrite, 10, "or one before it was changed"),
    (execute("UPDATE audit_checkpoint SET hash = 'x'"), 10, "has a checkpoint that is not signed"),
    (execute("UPDATE audit_checkpoint SET sequence = 9"), 9, "has a checkpoint that is not signed"),
    (
        execute(
            "INSERT INTO audit_checkpoint (kind, sequence, hash, at, signature) "
            "VALUES ('pruned', 6, 'x', '2026-11-28 00:00:00', 'x')"
        ),
        6,
        "the checkpoint that says so is not signed",
    ),
]


@pytest.mark.parametrize(("tamper", "sequence", "what"), TAMPERED)
def test_the_first_row_that_was_changed_or_is_missing_is_named(tamper: Tamper, sequence: int, what: str) -> None:
    rows.add(10)
    checkpoints.advance()
    assert verify_all() is None
    with rows.tampering() as cursor:
        tamper(cursor)
    problem = verify_all()
    assert problem is not None
    assert problem.sequence == sequence
    assert what in problem.what


def test_an_empty_log_verifies() -> None:
    assert verify_all() is None
    assert checkpoints.advance() == 0


@pytest.mark.parametrize("limit", [1, 2, 5, 100])
def test_a_log_verifies_in_pages_of_any_size(limit: int) -> None:
    rows.add(4)
    checkpoints.advance()
    rows.add(1)
    assert verify_all(limit=limit) is None


def test_a_row_that_was_added_after_the_tail_was_removed_does_not_hide_that() -> None:
    rows.add(10)
    checkpoints.advance()
    with rows.tampering() as cursor:
        cursor.execute("DELETE FROM audit_auditrow WHERE sequence >= 9")
    rows.add(5, other=True)
    problem = verify_all()
    assert problem is not None
    assert (problem.sequence, "another hash" in problem.what) == (10, True)


def test_the_job_signs_new_rows_once_and_fails_at_the_first_that_was_changed() -> None:
    rows.add(4)
    assert checkpoints.advance() == 4
    assert checkpoints.advance() == 0
    rows.add(2)
    assert checkpoints.advance() == 2
    assert [one.sequence for one in Checkpoint.objects.order_by("pk")] == [4, 6]
    rows.add(2)
    with rows.tampering() as cursor:
        cursor.execute("UPDATE audit_auditrow SET actor = 'bob' WHERE sequence = 7")
    with pytest.raises(Tampered, match=r"Row 7 was changed"):
        checkpoints.advance()
    assert checkpoints.newest() == Checkpoint.objects.get(sequence=6)


@pytest.mark.parametrize(
    ("tail", "message"),
    [
        ("DELETE FROM audit_auditrow WHERE sequence = 4", r"Row 4 is missing"),
        ("DELETE FROM audit_auditrow WHERE sequence >= 3", r"Row 3 is missing"),
        ("UPDATE audit_checkpoint SET signature = 'x'", r"Row 4 has a checkpoint that is not signed"),
    ],
)
def test_the_job_fails_without_new_rows_when_the_end_is_not_as_it_was(tail: str, message: str) -> None:
    rows.add(4)
    checkpoints.advance()
    with rows.tampering() as cursor:
        cursor.execute(tail)
    with pytest.raises(Tampered, match=message):
        checkpoints.advance()


OLD, NEW = "old-key-" + "x" * 50, "new-key-" + "y" * 50


def test_checkpoints_outlive_a_rotation_of_the_secret_key() -> None:
    with override_settings(SECRET_KEY=OLD, SECRET_KEY_FALLBACKS=[]):
        rows.add(3)
        checkpoints.advance()
    with override_settings(SECRET_KEY=NEW, SECRET_KEY_FALLBACKS=[OLD]):
        assert verify_all() is None
        checkpoints.advance()
    with override_settings(SECRET_KEY=NEW, SECRET_KEY_FALLBACKS=[]):
        assert verify_all() is None


def test_a_lost_key_is_named_and_its_checkpoints_can_be_signed_again_which_is_recorded() -> None:
    with override_settings(SECRET_KEY=OLD, SECRET_KEY_FALLBACKS=[]):
        rows.add(3)
        checkpoints.advance()
    with override_settings(SECRET_KEY=NEW, SECRET_KEY_FALLBACKS=[]):
        with pytest.raises(CommandError, match=r"Row 3 has a checkpoint that is not signed: .*AIOPS_SECRET_KEY"):
            call_command("verify_audit")
        out = StringIO()
        call_command("verify_audit", sign_checkpoints=True, stdout=out)
    assert out.getvalue() == "1 checkpoints signed\n4 rows verified, up to row 4\n"
    assert rows.newest(Action.AUDIT_SIGNED).details == {"checkpoints": 1, "trusted": True}


def test_the_time_of_a_row_cannot_be_moved_by_a_microsecond() -> None:
    rows.add(2)
    at = AuditRow.objects.get(sequence=2).at + timedelta(microseconds=1)
    with rows.tampering() as cursor:
        cursor.execute("UPDATE audit_auditrow SET at = %s WHERE sequence = 2", [at])
    problem = verify_all()
    assert problem is not None
    assert problem.sequence == 2
