"""Unit tests need Python alone: run by themselves they start no Valkey and set up no Django."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.apps import apps


@pytest.fixture(scope="session", autouse=True)
def no_django() -> Iterator[None]:
    """Fail when a unit test sets Django up; in a run with other tests it is set up already."""
    before = apps.ready
    yield
    assert apps.ready == before, "a unit test set Django up: it belongs in tests/integration"
