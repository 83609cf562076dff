"""A batch that aiops cannot continue is ended with the reason, and the others continue."""

from __future__ import annotations

import functools
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import DataError, OperationalError, connection

from aiops.batches import feeding, validation
from aiops.batches.models import Batch, Item, Upload
from aiops.llm import snapshot
from aiops.runs.models import Run
from tests.integration.batching import SETTINGS, Make, counts, end, make, queue, running, tick

__all__ = ["make", "queue"]
pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    "lines",
    [
        ['{"prompt": "hello", "\\ud800x": 1}', '{"prompt": "good"}'],
        ['{"prompt": "hello", "\\u0000x": 1}', '{"prompt": "good"}'],
        ['{"prompt": "hello", "x": ' + "[" * 940 + "]" * 940 + "}", '{"prompt": "good"}'],
    ],
)
def test_a_line_that_no_row_can_hold_is_invalid_and_the_others_run(make: Make, lines: list[str]) -> None:
    batch = make(lines=lines, policy="skip_invalid")
    assert (batch.state, counts(batch)) == ("in_progress", {"total": 2, "invalid": 1})


def test_a_file_that_breaks_our_code_ends_its_batch_with_the_reason(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        raise DataError("what no column takes")

    with monkeypatch.context() as patch:
        patch.setattr(validation, "_write_items", broken)
        batch = make(3)
    assert batch.state == "failed"
    assert "DataError" in (batch.error or {})["detail"]
    assert counts(batch) == {}, "what was not written is not said to be pending"
    assert feeding.redispatch_validations() == 0


def test_a_validation_that_loses_the_database_is_left_to_another(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    batch = make(3, validate=False)

    def away(*_: Any, **__: Any) -> Any:
        raise OperationalError("server closed the connection")

    with monkeypatch.context() as patch:
        patch.setattr(validation, "_write_items", away)
        with pytest.raises(OperationalError):
            validation.validate(str(batch.pk), SETTINGS)
    batch.refresh_from_db()
    assert batch.state == "validating"


def test_a_batch_whose_items_cannot_begin_is_ended_and_the_others_begin(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken, good = make(2), make(2)
    start = feeding._start_some

    def refuse(settings: Any, batch_id: Any, share: int) -> list[Run]:
        if batch_id == broken.pk:
            raise DataError("what no column takes")
        return start(settings, batch_id, share)

    monkeypatch.setattr(feeding, "_start_some", refuse)
    assert tick()["broken"] == 1
    assert len(running(good)) == 2
    assert counts(broken) == {"total": 2, "cancelled": 2}
    assert (broken.state, (broken.error or {})["code"]) == ("failed", "internal_error")
    assert set(Item.objects.filter(batch=broken).values_list("error__code", flat=True)) == {"internal_error"}
    assert tick()["broken"] == 0


def test_a_batch_whose_ends_cannot_be_taken_over_is_ended_and_the_others_are_settled(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken, good = make(1), make(1)
    tick()
    for batch in (broken, good):
        end(running(batch)[0])
    settle = feeding._settle_one

    def refuse(item: Item, sums: Any) -> None:
        if item.batch_id == broken.pk:
            raise KeyError("usage")
        settle(item, sums)

    monkeypatch.setattr(feeding, "_settle_one", refuse)
    assert tick() | {"removed": 0} == {"settled": 1, "started": 0, "ended": 1, "removed": 0, "broken": 1}
    assert Batch.objects.get(pk=good.pk).state == "completed"
    assert counts(broken) == {"total": 1, "cancelled": 1}


def test_a_line_whose_model_nobody_has_is_invalid_before_anything_is_run(make: Make) -> None:
    lines = ['{"prompt": "a"}', '{"prompt": "b", "model": "gpt-x"}']
    batch = make(lines=lines, validate=False, defaults={})
    check = functools.partial(snapshot.problem_with, settings=SETTINGS)
    validation.validate(str(batch.pk), SETTINGS, check_options=check)
    batch.refresh_from_db()
    assert (batch.state, counts(batch)) == ("failed", {"total": 2, "invalid": 1, "cancelled": 1})
    invalid = Item.objects.get(batch=batch, state="invalid")
    assert (invalid.error or {})["detail"] == (
        "model: Not configured. There are: offline (offline). Or send all lines to the chosen model: ignore_model."
    )


def test_a_custom_id_that_comes_twice_names_both_lines(make: Make) -> None:
    batch = make(lines=['{"custom_id": "2", "prompt": "a"}', '{"prompt": "b"}', '{"custom_id": "2", "prompt": "c"}'])
    problems = (
        Item.objects.filter(batch=batch, state="invalid").order_by("number").values_list("error__detail", flat=True)
    )
    assert list(problems) == [
        "The custom_id '2' is not unique: line 1 has it, too (a line without one gets its number).",
        "The custom_id '2' is not unique: line 1 has it, too.",
    ]


@pytest.mark.django_db(transaction=True)
def test_a_large_file_is_validated_while_others_write(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(validation, "STEP", 2)
    lines = [f'{{"prompt": "{n}"}}' for n in range(20)]
    batch = make(lines=lines, validate=False)
    Upload.objects.filter(batch=batch).delete()
    Upload.objects.bulk_create(
        [Upload(batch=batch, number=n, data=f"{line}\n".encode()) for n, line in enumerate(lines)]
    )
    keep = validation._write_items

    def somebody_writes(*args: Any, **counts: Any) -> bool:
        with ThreadPoolExecutor(1) as other:
            other.submit(_write).result(30)
        return keep(*args, **counts)

    monkeypatch.setattr(validation, "_write_items", somebody_writes)
    validation.validate(str(batch.pk), SETTINGS)
    assert (counts(batch), batch.state) == ({"total": 20}, "in_progress")


def _write() -> None:
    try:
        Batch.objects.update(name="renamed")
    finally:
        connection.close()
