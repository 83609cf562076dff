"""Old rows are removed from the beginning, and the rest verifies from a signed checkpoint."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from aiops import database
from aiops.audit import checkpoints, retention
from aiops.audit.actions import Action
from aiops.audit.models import AuditRow, Checkpoint
from aiops.audit.verifying import verify
from aiops.retention import pruning, rules
from aiops.retention.rules import Rule
from tests.integration.audit import rows

pytestmark = pytest.mark.django_db


def rule() -> Rule:
    return Rule(rules.kinds()["audit"], "", 30)


def add_old(monkeypatch: pytest.MonkeyPatch, count: int, *, days: float = 40) -> None:
    """Record as if it were days ago."""
    with monkeypatch.context() as patch:
        at = timezone.now() - timedelta(days=days)
        patch.setattr(database, "now", lambda: at)
        rows.add(count)


def test_old_rows_go_and_the_rest_verifies(monkeypatch: pytest.MonkeyPatch) -> None:
    add_old(monkeypatch, 250)
    checkpoints.advance()
    rows.add(5)
    last = AuditRow.objects.get(sequence=250)
    assert rule().due().count() == 250
    assert pruning.prune(rule(), for_s=20).removed == 250
    kept = list(AuditRow.objects.order_by("sequence").values_list("sequence", flat=True))
    assert kept[:5] == [251, 252, 253, 254, 255]
    page = verify()
    assert (page.problem, page.checked) == (None, len(kept))
    checkpoint = Checkpoint.objects.get()
    assert (checkpoint.kind, checkpoint.sequence, checkpoint.hash) == ("pruned", 250, last.hash)
    pruned = rows.newest(Action.AUDIT_PRUNED)
    assert (pruned.actor, pruned.details["hash"]) == ("system", last.hash)
    assert pruning.prune(rule(), for_s=20).removed == 0


def test_whole_days_are_removed_so_that_pruning_does_not_feed_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    today = timezone.now().replace(hour=0, minute=0, second=0, microsecond=0)
    begin = (timezone.now() - today).total_seconds() / 86_400
    add_old(monkeypatch, 1, days=30 + begin + 0.001)
    add_old(monkeypatch, 1, days=30 + begin / 2)
    assert pruning.prune(rule(), for_s=5).removed == 1


def test_a_log_of_which_every_row_is_old_goes_on_with_the_next_number(monkeypatch: pytest.MonkeyPatch) -> None:
    add_old(monkeypatch, 3)
    pruning.prune(rule(), for_s=5)
    rows.add(1)
    assert list(AuditRow.objects.order_by("sequence").values_list("sequence", flat=True)) == [4, 5]
    assert verify().problem is None
    assert checkpoints.advance() == 2


def test_rows_that_do_not_verify_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    add_old(monkeypatch, 6)
    with rows.tampering() as cursor:
        cursor.execute("UPDATE audit_auditrow SET actor = 'bob' WHERE sequence = 3")
    assert pruning.prune(rule(), for_s=60).removed == 0
    assert AuditRow.objects.count() == 6
    assert not Checkpoint.objects.exists()


def test_a_row_with_a_later_time_than_its_successors_keeps_them(monkeypatch: pytest.MonkeyPatch) -> None:
    add_old(monkeypatch, 2)
    rows.add(1)
    add_old(monkeypatch, 2)
    assert pruning.prune(rule(), for_s=60).removed == 2
    assert retention.prune(rule().due()) == 0
    assert verify().problem is None


def test_only_rows_up_to_the_pruned_checkpoint_can_be_deleted(monkeypatch: pytest.MonkeyPatch) -> None:
    add_old(monkeypatch, 3)
    rows.add(1)
    pruning.prune(rule(), for_s=5)
    with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("DELETE FROM audit_auditrow WHERE sequence = 4")


def test_a_removed_prefix_that_comes_back_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    add_old(monkeypatch, 3)
    row = AuditRow.objects.get(sequence=2)
    rows.add(1)
    pruning.prune(rule(), for_s=5)
    AuditRow.objects.bulk_create([row])
    problem = verify().problem
    assert problem is not None
    assert (problem.sequence, problem.what) == (2, "is there, although it was removed")
