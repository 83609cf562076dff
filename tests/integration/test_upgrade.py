"""A database of an earlier schema is brought up to date; one that this version doesn't know is refused unchanged."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
import yaml

from config.local import backup
from config.local.home import Home
from tests.integration.homes import make_prepared, prepare
from tests.integration.test_database_file import people

ROOT = Path(__file__).parents[2]
CURE = "start this one with another home"
START = Path(__file__).parent / "schemas" / "start.sql"
"""What `sqlite3 db.sqlite3 .dump` printed of a home in use when migrations began at 0001_start. Never changed."""
NOT_OURS = "name NOT LIKE 'sqlite_%' AND name NOT LIKE 'django_%' AND name NOT LIKE 'auth_%'"


def forge(database: Path, app: str, name: str) -> None:
    """Note a migration as applied, as another version would have."""
    with sqlite3.connect(database) as rows:
        rows.execute("INSERT INTO django_migrations (app, name, applied) VALUES (?, ?, '2026-11-01')", (app, name))
    rows.close()


@pytest.mark.parametrize(
    ("app", "name"), [("conversations", "0002_batches_retention_webhooks"), ("people", "9000_later")]
)
def test_a_home_of_another_version_is_refused_and_kept(tmp_path: Path, app: str, name: str) -> None:
    home = make_prepared(tmp_path / "home")
    database = home / "db.sqlite3"
    forge(database, app, name)
    before = database.read_bytes()
    refused = prepare(home)
    assert refused.returncode == 3
    assert f"{app}.{name}" in refused.stderr
    assert CURE in refused.stderr
    assert database.read_bytes() == before
    assert people(database) == 1


def test_a_backup_of_another_version_is_refused_and_makes_no_home(tmp_path: Path) -> None:
    home, archive, restored = (
        Home(make_prepared(tmp_path / "home")),
        tmp_path / "copy.tar.gz",
        Home(tmp_path / "restored"),
    )
    forge(home.database, "conversations", "0002_batches_retention_webhooks")
    backup.make(home, archive)
    with pytest.raises(
        backup.CannotCopy, match=r"conversations\.0002_batches_retention_webhooks.*restore it with that version"
    ):
        backup.restore(archive, restored)
    assert {path.name for path in tmp_path.iterdir()} == {"home", "copy.tar.gz"}


def test_what_an_app_left_behind_that_is_no_longer_installed_is_no_reason_to_refuse(tmp_path: Path) -> None:
    home = make_prepared(tmp_path / "home")
    forge(home / "db.sqlite3", "somebodys_plugin", "0001_initial")
    assert prepare(home).returncode == 0


def _of_compose() -> list[str]:
    command: list[str] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]["migrate"]["command"]
    return command


def _of_kubernetes() -> list[str]:
    job = yaml.safe_load((ROOT / "deploy/kubernetes/base/migrate.yaml").read_text())
    command: list[str] = job["spec"]["template"]["spec"]["containers"][0]["command"]
    return command


@pytest.mark.parametrize("command", [_of_compose(), _of_kubernetes()], ids=["compose", "kubernetes"])
def test_containers_of_an_older_version_start_on_the_tables_of_a_newer_one(tmp_path: Path, command: list[str]) -> None:
    home = tmp_path / "home"
    home.mkdir()
    env = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "REDIS_URL": os.environ["REDIS_URL"]}
    env |= {"AIOPS_HOME": str(home), "AIOPS_SECRET_KEY": "k" * 50, "AIOPS_PUBLIC_URL": "https://aiops.example.org"}
    env |= {"DATABASE_URL": f"sqlite:///{home / 'db.sqlite3'}"}

    def migrate(*command: str) -> int:
        return subprocess.run(command, env=env, capture_output=True, timeout=120).returncode

    assert migrate(*command) == 0
    with closing(sqlite3.connect(home / "db.sqlite3")) as rows:
        before = schema(rows)
    assert {"runs_run", "people_user"} < {str(table) for table, *_ in before}
    forge(home / "db.sqlite3", "people", "9000_later")
    assert migrate("aiops", "manage", "migrate") != 0, "an older version must not change them"
    assert migrate(*command) == 0
    with closing(sqlite3.connect(home / "db.sqlite3")) as rows:
        assert schema(rows) == before


def schema(rows: sqlite3.Connection) -> set[tuple[object, ...]]:
    """Return each column and each index with its table, whatever the order in which they came."""
    columns = "SELECT m.name, c.name, c.type, c.[notnull], c.pk FROM sqlite_master m, pragma_table_info(m.name) c"
    indexes = "SELECT tbl_name, name, type FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'"
    return set(rows.execute(columns)) | set(rows.execute(indexes))


def contents(rows: sqlite3.Connection) -> dict[str, set[object]]:
    """Return the primary keys of every table of ours that holds rows."""
    names = [name for (name,) in rows.execute(f"SELECT name FROM sqlite_master WHERE type = 'table' AND {NOT_OURS}")]
    found = {name: {key for (key, *_) in rows.execute(f"SELECT {_key(rows, name)} FROM {name}")} for name in names}
    return {name: keys for name, keys in found.items() if keys}


def _key(rows: sqlite3.Connection, table: str) -> str:
    return str(rows.execute("SELECT name FROM pragma_table_info(?) WHERE pk", (table,)).fetchone()[0])


def test_a_database_of_the_first_schema_is_brought_up_to_date_and_keeps_its_rows(tmp_path: Path) -> None:
    home, fresh = Home(tmp_path / "home"), Home(tmp_path / "fresh")
    home.path.mkdir()
    with closing(sqlite3.connect(home.database)) as rows:
        rows.executescript(START.read_text())
        before = contents(rows)
    assert {"people_user", "conversations_message", "runs_run", "batches_item", "schedules_firing"} < set(before)
    for made in (prepare(home.path), prepare(fresh.path)):
        assert made.returncode == 0, made.stderr
    with closing(sqlite3.connect(home.database)) as rows, closing(sqlite3.connect(fresh.database)) as new:
        after = contents(rows)
        assert {name: keys - after[name] for name, keys in before.items()} == {name: set() for name in before}
        assert schema(rows) == schema(new)
