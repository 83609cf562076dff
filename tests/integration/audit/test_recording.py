"""Rows of the audit log: recorded with what they record, one chain whoever writes, and never changed."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aiops import database
from aiops.audit.actions import Action
from aiops.audit.hashing import GENESIS, hash_of
from aiops.audit.models import AppendOnly, AuditRow
from aiops.audit.recording import record
from aiops.people.models import User
from tests.integration.audit import rows

WRITERS = 50 if connection.vendor == "postgresql" else 12
JSON_VALUES: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters()), inner, max_size=4),
    max_leaves=20,
)


@pytest.mark.django_db
def test_each_row_follows_the_one_before_it() -> None:
    rows.add(3)
    first, second, third = AuditRow.objects.order_by("sequence")
    assert [row.sequence for row in (first, second, third)] == [1, 2, 3]
    assert (first.previous_hash, second.previous_hash, third.previous_hash) == (GENESIS, first.hash, second.hash)
    assert [row.hash for row in (first, second, third)] == [hash_of(row) for row in (first, second, third)]


@pytest.mark.django_db
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(JSON_VALUES)
def test_the_hash_is_that_of_the_values_as_the_database_returns_them(value: Any) -> None:
    rows.add(value=value)
    row = rows.newest(Action.SIGN_OUT)
    assert hash_of(row) == row.hash


@pytest.mark.django_db(transaction=True)
def test_nothing_is_recorded_of_what_is_rolled_back() -> None:
    def create() -> None:
        with transaction.atomic():
            User.objects.create_user("bob")
            record(Action.ACCOUNT_CREATED, actor="ann", actor_id=None, object="user:bob")
            raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        create()
    assert not AuditRow.objects.exists()
    rows.add()
    assert rows.newest(Action.SIGN_OUT).sequence == 1


@pytest.mark.django_db(transaction=True)
def test_recording_outside_a_transaction_is_refused() -> None:
    with pytest.raises(transaction.TransactionManagementError):
        record(Action.SIGN_OUT, actor="ann", actor_id=None, object="user:ann")


@pytest.mark.django_db
def test_the_time_of_a_row_is_the_databases_when_it_was_recorded() -> None:
    before = database.now()
    rows.add()
    at = rows.newest(Action.SIGN_OUT).at
    assert before <= at <= database.now()
    assert at.tzinfo == UTC


@pytest.mark.django_db
def test_the_program_refuses_to_change_or_delete_rows() -> None:
    rows.add()
    row = rows.newest(Action.SIGN_OUT)
    changes: list[Any] = [
        row.save,
        row.delete,
        AuditRow.objects.all().delete,
        lambda: AuditRow.objects.update(actor="bob"),
        lambda: AuditRow.objects.bulk_update([row], ["actor"]),
    ]
    for change in changes:
        with pytest.raises(AppendOnly):
            change()
    assert AuditRow.objects.count() == 1


STATEMENTS = ["UPDATE audit_auditrow SET actor = 'bob'", "DELETE FROM audit_auditrow"]


@pytest.mark.django_db
@pytest.mark.parametrize(
    "statement", [*STATEMENTS, "TRUNCATE audit_auditrow"] if connection.vendor == "postgresql" else STATEMENTS
)
def test_the_database_refuses_to_change_or_delete_rows(statement: str) -> None:
    rows.add()
    with pytest.raises(IntegrityError, match="only added"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)
    assert rows.newest(Action.SIGN_OUT).actor == "ann"


@pytest.mark.django_db(transaction=True)
def test_rows_of_many_writers_at_once_are_one_chain_without_gaps() -> None:
    ready = threading.Barrier(WRITERS)

    def write(writer: int) -> None:
        try:
            ready.wait(timeout=60)
            for number in range(4):
                with transaction.atomic():
                    for _ in range(1 + (writer + number) % 3):
                        record(Action.SIGN_OUT, actor=f"user-{writer}", actor_id=None, object="user:ann")
        finally:
            connection.close()

    with ThreadPoolExecutor(WRITERS) as threads:
        for future in [threads.submit(write, writer) for writer in range(WRITERS)]:
            future.result()
    expected = sum(1 + (writer + number) % 3 for writer in range(WRITERS) for number in range(4))
    previous = GENESIS
    found = list(AuditRow.objects.order_by("sequence"))
    assert [row.sequence for row in found] == list(range(1, expected + 1))
    for row in found:
        assert (row.previous_hash, row.hash) == (previous, hash_of(row))
        previous = row.hash
    times = [row.at for row in found]
    assert times == sorted(times)
