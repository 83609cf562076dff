"""The states of batches and items are exactly those that something brings them into, here and in the API's schema."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db.models.functions import Now
from drf_spectacular.generators import SchemaGenerator

from aiops.batches import lifecycle
from aiops.batches.models import Batch, Item
from tests.integration.batching import Make, end, make, queue, running, tick

__all__ = ["make", "queue"]
pytestmark = pytest.mark.django_db
Lives = Callable[[Batch], None]


def complete(batch: Batch) -> None:
    tick()
    for run in running(batch):
        end(run)
    tick()


def fail_items(batch: Batch) -> None:
    tick()
    for run in running(batch):
        end(run, "failed", code="model_key_refused", retry=False)
    tick()


def expire(batch: Batch) -> None:
    Batch.objects.filter(pk=batch.pk).update(expires_at=Now() - timedelta(seconds=1))
    tick()


def cancel(batch: Batch) -> None:
    lifecycle.cancel(batch)


def cancel_and_settle(batch: Batch) -> None:
    lifecycle.cancel(batch)
    tick()


LIVES: list[tuple[dict[str, Any], Lives]] = [
    ({"validate": False}, lambda batch: None),
    ({}, lambda batch: None),
    ({}, lambda batch: tick() and None),
    ({"lines": ["{"]}, lambda batch: None),
    ({}, complete),
    ({}, fail_items),
    ({}, expire),
    ({}, cancel),
    ({}, cancel_and_settle),
]
"""How a batch is made, and what happens to it then."""


def states_in_schema(component: str) -> set[str]:
    """Return the values that the API's schema lists for the state of what it calls so."""
    components = SchemaGenerator().get_schema(public=True)["components"]["schemas"]
    state = components[component]["properties"]["state"]
    listed = [state, *state.get("allOf", []), *state.get("oneOf", [])]
    named = [components[one["$ref"].rpartition("/")[2]] for one in listed if "$ref" in one]
    return {value for one in [*listed, *named] for value in one.get("enum", [])}


def test_every_state_is_entered_by_something_and_the_schema_lists_no_other(make: Make) -> None:
    of_batches, of_items = set(), set()
    for options, live in LIVES:
        batch = make(2, **options)
        live(batch)
        batch.refresh_from_db()
        of_batches.add(batch.state)
        of_items |= set(Item.objects.filter(batch=batch).values_list("state", flat=True))
    assert of_batches == set(Batch.State) == {*Batch.ENDED, *Batch.UNFINISHED} == states_in_schema("BatchOut")
    assert of_items == set(Item.State) == states_in_schema("ItemOut")
