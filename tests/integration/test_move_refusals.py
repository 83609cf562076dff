"""What ``aiops move`` refuses, and the cure that it names; nothing is changed."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from aiops import keyspace
from config.local.home import Home
from tests.integration.moving import (
    PASSWORD,
    as_watcher,
    ask,
    database,
    make_home,
    move,
    write,
)
from tests.integration.test_upgrade import forge
from tests.servers.postgresql import PostgreSQL
from tests.servers.redis import Redis


@pytest.fixture(scope="module")
def used(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_home(tmp_path_factory.mktemp("used") / "home")


@pytest.fixture
def home(used: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(used, tmp_path / "home"))


@pytest.fixture
def url(postgresql: PostgreSQL) -> Iterator[str]:
    with database(postgresql) as made:
        yield made


def test_a_home_in_use_is_refused(home: Path, url: str) -> None:
    running = Home(home)
    running.open()
    try:
        refused = move("to-postgresql", home, url)
    finally:
        running.close()
    assert (refused.returncode, f"already running from {home}" in refused.stderr) == (1, True)


def test_a_server_in_use_is_refused(home: Path, url: str) -> None:
    with psycopg.connect(f"{url}?application_name=web-7"):
        refused = move("to-postgresql", home, url)
    assert refused.returncode == 1
    assert "is in use by 1 other connections (web-7): stop web, workers, beat" in refused.stderr


def test_workers_that_only_redis_shows_are_refused(home: Path, url: str, tmp_path: Path) -> None:
    server = Redis(tmp_path)
    server.start()
    try:
        keyspace.sync(server.url).zadd(keyspace.workers("batch"), {"host:1:a": time.time()})
        refused = move("to-postgresql", home, url, REDIS_URL=server.url)
        assert (refused.returncode, "Workers are running (batch)" in refused.stderr) == (1, True), refused.stderr
    finally:
        server.end()


def test_two_moves_at_once_are_refused(home: Path, url: str) -> None:
    with psycopg.connect(as_watcher(url), autocommit=True) as other:
        other.execute("SELECT pg_advisory_lock(%s)", [0x61696F7073])
        refused = move("to-postgresql", home, url)
    assert (refused.returncode, "Another move uses postgres://127.0.0.1" in refused.stderr) == (1, True)


@pytest.mark.parametrize("forged", [True, False], ids=["newer", "older"])
def test_a_source_of_another_version_is_refused(home: Path, url: str, forged: bool) -> None:
    if forged:
        forge(home / "db.sqlite3", "people", "9000_later")
        expected = "it has people.9000_later"
    else:
        write(home, "DELETE FROM django_migrations WHERE app = 'webhooks'")
        expected = "lacks webhooks.0001_start"
    refused = move("to-postgresql", home, url)
    assert (refused.returncode, expected in refused.stderr) == (1, True), refused.stderr
    assert ask(url, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == [(0,)]


def test_a_target_of_another_version_is_refused(home: Path, url: str) -> None:
    ask(url, "CREATE TABLE django_migrations (id serial, app text, name text, applied timestamptz)")
    ask(url, "INSERT INTO django_migrations (app, name, applied) VALUES ('people', '9000_later', now())")
    refused = move("to-postgresql", home, url)
    assert (refused.returncode, "it has people.9000_later" in refused.stderr) == (1, True), refused.stderr


def test_a_role_without_rights_is_refused_with_the_cure(postgresql: PostgreSQL, home: Path, url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE ROLE guest LOGIN")
        connection.execute("REVOKE CREATE ON SCHEMA public FROM public")
    refused = move("to-postgresql", home, url.replace("aiops:", "guest:"))
    assert refused.returncode == 1
    assert "permission denied" in refused.stderr
    assert "grant it CREATE on the schema" in refused.stderr


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        ("", "DATABASE_URL names no PostgreSQL"),
        ("sqlite:////tmp/x.sqlite3", "DATABASE_URL names no PostgreSQL"),
        ("mysql://root@127.0.0.1/x", "DATABASE_URL must begin with"),
        (f"postgres://aiops:{PASSWORD}@127.0.0.1:1/x", "cannot be reached (connection failed"),
        ("postgres://a:b/c@127.0.0.1/x", "DATABASE_URL=(hidden) cannot be read"),
    ],
)
def test_a_wrong_address_is_one_sentence(home: Path, wrong: str, expected: str) -> None:
    refused = move("to-postgresql", home, wrong)
    assert (refused.returncode, expected in refused.stderr) == (1, True), refused.stderr


def test_what_is_no_home_is_refused(url: str, tmp_path: Path) -> None:
    refused = move("to-postgresql", tmp_path / "nothing", url)
    assert (refused.returncode, "There is no database in" in refused.stderr) == (1, True)
    assert not (tmp_path / "nothing").exists()


def test_a_new_home_needs_the_servers_key(home: Path, url: str, tmp_path: Path) -> None:
    (tmp_path / "back").mkdir()
    refused = move("to-home", tmp_path / "back", url)
    assert (refused.returncode, "AIOPS_SECRET_KEY is not set" in refused.stderr) == (1, True)


def test_tables_of_packages_that_are_not_installed_are_named(home: Path, url: str) -> None:
    write(home, "CREATE TABLE somebodys_table (id integer)")
    done = move("to-postgresql", home, url)
    assert done.returncode == 0, done.stderr
    assert "no installed package has them: somebodys_table" in done.stderr
