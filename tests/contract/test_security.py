"""The threat model names tests that exist, and is one page."""

from __future__ import annotations

import re

from tests.contract.test_consistency import ROOT

TEXT = (ROOT / "docs/security.md").read_text()
TESTS = {
    name for path in (ROOT / "tests").rglob("test_*.py") for name in re.findall(r"def (test_\w+)\(", path.read_text())
}


def test_every_test_that_the_threat_model_names_exists() -> None:
    named = set(re.findall(r"`(test_\w+)`", TEXT))
    assert len(named) > 30
    assert named - TESTS == set()


def test_every_door_of_the_threat_model_is_shown_by_a_test() -> None:
    doors = [line.split(" | ") for line in TEXT.splitlines() if line.startswith("| ")][1:]
    assert [door[0] for door in doors if "`test_" not in door[-1]] == []
    assert len(TEXT.split()) < 900
