"""A damaged home is reported in one sentence that names the file and the cure."""

from __future__ import annotations

from pathlib import Path

import pytest

from config.local.home import Home, Unusable


def unusable(home: Path) -> str:
    opened = Home(home)
    with pytest.raises(Unusable) as caught:
        opened.open()
    opened.close()
    return str(caught.value)


@pytest.mark.parametrize("name", ["token", "secret_key", "secret_key_fallbacks", "db.sqlite3", "redis_url", "address"])
def test_a_folder_where_a_file_belongs_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    assert f"{name} is a folder" in unusable(tmp_path)


def test_an_emptied_database_is_not_taken_for_a_new_one(tmp_path: Path) -> None:
    (tmp_path / "db.sqlite3").touch()
    (tmp_path / "token").write_text("aiops_x")
    assert "it is empty" in unusable(tmp_path)
    (tmp_path / "token").unlink()
    home = Home(tmp_path)
    home.open()
    home.close()


@pytest.mark.parametrize("kept", ["short", "with a space" * 9, "ö" * 80, "two\nlines" * 9])
def test_a_damaged_secret_is_named(tmp_path: Path, kept: str) -> None:
    home = Home(tmp_path)
    home.secret_key.write_text(kept)
    with pytest.raises(Unusable, match="secret_key is damaged"):
        home.secret(home.secret_key)


def test_a_secret_of_a_home_is_made_once(tmp_path: Path) -> None:
    home = Home(tmp_path)
    made = home.secret(home.secret_key)
    assert len(made) >= 50
    assert home.secret(home.secret_key) == made
    assert home.secret_key.stat().st_mode & 0o777 == 0o600
