"""The mechanisms that ``make mutants`` takes out are there, and the document lists them all."""

from __future__ import annotations

import pytest

from tests.contract.test_house import ROOT
from tests.contract.test_security import TESTS
from tests.mutants.__main__ import table
from tests.mutants.mechanisms import MECHANISMS, Mechanism


@pytest.mark.parametrize("one", MECHANISMS, ids=lambda one: one.name)
def test_a_mechanism_can_be_taken_out_and_its_test_exists(one: Mechanism) -> None:
    assert (ROOT / one.file).read_text().count(one.old) == 1
    path, _, name = one.test.partition("::")
    assert (ROOT / path).is_file()
    assert not name or name in TESTS


def test_the_document_lists_every_mechanism() -> None:
    assert table() in (ROOT / "docs/faults.md").read_text()
