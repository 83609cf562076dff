"""The database is the file that was meant, whatever its path, and none is made where one has vanished."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import OperationalError
from django.test import RequestFactory

from aiops.errors import database_problem
from aiops.web.pages import failures
from config import sqlite
from config.local import backup
from config.local.home import Home, Unusable
from tests.integration.homes import make_prepared, prepare

NAMES = ("#1", "a?b=c", "%41", 'say "hi"', "with space", "grüße", "100%")


def people(file: Path) -> int:
    with sqlite3.connect(file) as rows:
        count: int = rows.execute("SELECT count(*) FROM people_user").fetchone()[0]
    rows.close()
    return count


def test_the_database_lies_in_its_home_whatever_the_homes_path(tmp_path: Path) -> None:
    """One path has all the names: each alone would lead a connection elsewhere, to where no folder is."""
    home = Home(tmp_path.joinpath(*NAMES))
    made = prepare(home.path)
    assert made.returncode == 0, made.stderr
    assert people(home.database) == 1
    for folder in home.path.parents[: len(NAMES)]:
        assert [path.name for path in folder.iterdir()] == [NAMES[len(folder.relative_to(tmp_path).parts)]]
    home.open()  # checks the database
    home.close()
    backup.make(home, tmp_path / "copy.tar.gz")
    restored = Home(tmp_path.joinpath("restored", *NAMES))
    backup.restore(tmp_path / "copy.tar.gz", restored)
    assert people(restored.database) == 1


def test_the_file_that_database_url_names_may_have_any_path(tmp_path: Path) -> None:
    assert prepare(tmp_path / "home", url=f"sqlite:///{tmp_path}/one%20%231.sqlite3").returncode == 0
    assert people(tmp_path / "one #1.sqlite3") == 1


def test_a_vanished_database_is_not_replaced_and_works_again_when_it_is_put_back(tmp_path: Path) -> None:
    home = Home(make_prepared(tmp_path / "home"))
    away = home.database.rename(tmp_path / "away")
    refused = prepare(home.path)
    assert refused.returncode == 3
    assert "has vanished: put it back" in refused.stderr
    assert not home.database.exists()
    with pytest.raises(Unusable, match="put it back"):
        sqlite.make_first(home.database, home)
    away.rename(home.database)
    assert prepare(home.path).returncode == 0
    assert people(home.database) == 1


def test_connecting_to_a_missing_database_makes_no_file(tmp_path: Path) -> None:
    with pytest.raises(sqlite3.OperationalError, match="unable to open database file"):
        sqlite3.connect(sqlite.name_of(tmp_path / "db.sqlite3"), uri=True)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("error", "cure"),
    [
        ("unable to open database file", "put it back where it was"),
        ("database is locked", "busy with other writes"),
        ("database or disk is full", "make room"),
        ("disk I/O error", "the system's log"),
        ("connection refused", "does not answer"),
    ],
)
def test_a_page_says_what_is_wrong_with_the_database(error: str, cure: str) -> None:
    request = RequestFactory().get("/schedules/")
    assert cure in database_problem(OperationalError(error))
    try:
        raise OperationalError(error)
    except OperationalError:
        page = failures.crashed(request)
    assert page.status_code == 503
    assert cure in page.content.decode().replace("&#x27;", "'")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 16 MB, several times an empty database; skips where none may be mounted."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = shutil.which("mount")
    if os.geteuid() != 0 or mount is None:
        pytest.skip("only root can mount a small disk")
    command = [mount, "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(folder)]
    if subprocess.run(command, capture_output=True, check=False).returncode != 0:
        pytest.skip("this machine mounts no small disk")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(file: Path) -> None:
    with contextlib.suppress(OSError), file.open("wb", buffering=0) as ballast:
        while ballast.write(b"x" * 1_000):
            pass


def test_a_full_disk_is_named_when_a_home_is_opened_and_by_doctor(small_disk: Path) -> None:
    home = Home(make_prepared(small_disk / "home"))
    home.open()  # its lock's file is there before the disk is full
    home.close()
    fill(small_disk / "ballast")
    with pytest.raises(Unusable, match=r"The disk of the database .* is full: make room"):
        home.open()
    home.close()
    asked = "import django; django.setup(); from config.doctor import servers; print(servers.database()[0].cure)"
    kept = {name: os.environ[name] for name in ("PATH", "REDIS_URL", "AIOPS_SECRET_KEY", "DJANGO_SETTINGS_MODULE")}
    command = [sys.executable, "-c", asked]
    done = subprocess.run(command, env={**kept, "AIOPS_HOME": str(home.path)}, capture_output=True, text=True)
    assert "make room" in done.stdout, done.stdout + done.stderr


def test_a_disk_so_full_that_sqlite_cannot_lay_out_its_shared_memory_is_called_full() -> None:
    cause = sqlite3.OperationalError("disk I/O error")
    cause.sqlite_errorname = "SQLITE_IOERR_SHMSIZE"  # type: ignore[misc]
    error = OperationalError("disk I/O error")
    error.__cause__ = cause
    assert "make room" in database_problem(error)
    assert "make room" in database_problem(cause)
