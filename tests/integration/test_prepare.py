"""A start always leaves somebody who can administer, whatever was done to the first administrator."""

from __future__ import annotations

from pathlib import Path

import pytest

from aiops.people import tokens
from aiops.people.models import User
from config.local import prepare

pytestmark = pytest.mark.django_db


def test_the_first_start_makes_an_administrator_and_a_token(tmp_path: Path) -> None:
    assert prepare._people(tmp_path / "token", tmp_path / "password") == "admin"
    found = tokens.find((tmp_path / "token").read_text())
    assert found is not None
    assert found.user.check_password((tmp_path / "password").read_text())
    kept = (tmp_path / "token").read_text()
    assert prepare._people(tmp_path / "token", tmp_path / "password") == "admin"
    assert (tmp_path / "token").read_text() == kept


@pytest.mark.parametrize("change", [{"is_active": False}, {"is_superuser": False}])
def test_a_disabled_administrator_is_left_alone_and_another_is_made(tmp_path: Path, change: dict[str, bool]) -> None:
    prepare._people(tmp_path / "token", tmp_path / "password")
    User.objects.update(**change)
    assert prepare._people(tmp_path / "token", tmp_path / "password") == "admin-2"
    found = tokens.find((tmp_path / "token").read_text())
    assert found is not None
    assert found.user.username == "admin-2"


def test_a_damaged_token_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "token").write_bytes(b"\xff\xfe\x00")
    prepare._people(tmp_path / "token", tmp_path / "password")
    assert tokens.find((tmp_path / "token").read_text()) is not None
