"""Homes and databases of PostgreSQL to move between, and what is in them, read without the product."""

from __future__ import annotations

import functools
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

import psycopg

from tests.integration.homes import prepare
from tests.patience import Patience
from tests.servers.postgresql import PostgreSQL
from tests.started import HOME

ROOT = Path(__file__).parents[2]
START = Path(__file__).parent / "schemas" / "start.sql"
COMMAND = (sys.executable, "-m", "config.cli", "move")
PASSWORD = "p%40ss-word-that-nobody-may-see"
MANY, WAITS_AT = 2_500, 1_500
WAIT = f"""
CREATE FUNCTION wait_here() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(600); RETURN NEW; END $$;
CREATE TRIGGER wait_here BEFORE INSERT ON conversations_message FOR EACH ROW WHEN (NEW.position = {WAITS_AT})
EXECUTE FUNCTION wait_here();
"""
Rows = dict[str, list[tuple[Any, ...]]]


def make_home(path: Path, sql: str = "") -> Path:
    """Make a home that was in use, with rows in most tables; ``sql`` adds more."""
    shutil.copytree(_used(), path)
    with closing(sqlite3.connect(path / "db.sqlite3")) as rows:
        rows.executescript(sql)
    return path


@functools.cache
def _used() -> Path:
    """Return the home that the others are copies of: its migrations take seconds."""
    home = HOME / "used"
    home.mkdir()
    with closing(sqlite3.connect(home / "db.sqlite3")) as rows:
        rows.executescript(START.read_text())
    made = prepare(home)
    assert made.returncode == 0, made.stderr
    return home


@contextmanager
def database(server: PostgreSQL, *, template: str = "template1") -> Iterator[str]:
    """Make a database, empty by default; its URL has a password that must not be shown."""
    name = f"move_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')  # type: ignore[arg-type]
        yield f"postgres://aiops:{PASSWORD}@127.0.0.1:{server.port}/{name}"
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')  # type: ignore[arg-type]


def migrate(folder: Path, url: str) -> None:
    command = [sys.executable, "-m", "config.cli", "manage", "migrate", "--verbosity=0"]
    subprocess.run(command, env=of_servers(folder, url), check=True)


@contextmanager
def migrated_database(server: PostgreSQL, folder: Path) -> Iterator[str]:
    """Make the name of a database with nothing but what migrations make, as a template of others."""
    with database(server) as url:
        migrate(folder, url)
        yield url.rpartition("/")[2]


def as_watcher(url: str) -> str:
    """Return the URL for another role: a move's own may have no other connection."""
    with psycopg.connect(url, autocommit=True) as connection, suppress(psycopg.errors.DuplicateObject):
        connection.execute("CREATE ROLE watcher LOGIN SUPERUSER")
    return url.replace("aiops:", "watcher:")


def environment(home: Path, url: str, **more: str) -> dict[str, str]:
    kept = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    return {**kept, "AIOPS_HOME": str(home), "DATABASE_URL": url, **more}


def of_servers(folder: Path, url: str) -> dict[str, str]:
    """Return the environment of web, workers and beat that use this database."""
    return environment(folder / "servers", url, AIOPS_SECRET_KEY="k" * 60, REDIS_URL=os.environ["REDIS_URL"])


def move(direction: str, home: Path, url: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Run ``aiops move`` to its end; the password is nowhere in what it prints."""
    env = environment(home, url, **more)
    done = subprocess.run(
        [*COMMAND, direction, "--home", str(home)],
        env=env,
        capture_output=True,
        text=True,
        timeout=120,
        cwd=home.parent,
    )
    assert PASSWORD not in done.stdout + done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    return done


def ask(url: str, sql: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url, autocommit=True) as connection:
        found = connection.execute(sql)  # type: ignore[call-overload]
        return found.fetchall() if found.description else []


def write(home: Path, sql: str) -> None:
    with closing(sqlite3.connect(home / "db.sqlite3")) as rows, rows:
        rows.execute(sql)


def begin_and_kill(home: Path, url: str) -> None:
    """Kill a move between two batches of the messages; one of them, number WAITS_AT, waits in the migrated database."""
    ask(url, WAIT)
    command = [*COMMAND, "to-postgresql", "--home", str(home)]
    process = subprocess.Popen(command, env=environment(home, url), stderr=subprocess.DEVNULL)
    patience = Patience(60)
    with psycopg.connect(as_watcher(url), autocommit=True) as watcher:
        while not (moved := _count(watcher)):
            assert process.poll() is None, "it ended before it was killed"
            assert not patience.is_over(), "nothing was moved"
            time.sleep(0.05)
        process.kill()
        process.wait(timeout=10)
        watcher.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        watcher.execute("DROP FUNCTION wait_here CASCADE")
        assert 0 < moved == _count(watcher) < WAITS_AT


def _count(connection: psycopg.Connection[Any]) -> int:
    return int((connection.execute("SELECT count(*) FROM conversations_message").fetchone() or (0,))[0])


def contents(home: Path) -> Rows:
    """Return all rows of all tables of a home, but for the record of migrations, as plain SQL reads them."""
    with closing(sqlite3.connect(home / "db.sqlite3")) as rows:
        names = rows.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' "
            "AND name != 'django_migrations'"
        ).fetchall()
        found = {}
        for (name,) in names:
            columns = [column for _, column, *_ in rows.execute(f"PRAGMA table_info({name})")]
            listed = ", ".join(f'"{column}"' for column in sorted(columns))
            got = rows.execute(f"SELECT {listed} FROM {name}").fetchall()
            found[name] = sorted((tuple(map(_plain, row)) for row in got), key=repr)
        return found


def _plain(value: Any) -> Any:
    """Return a value without what both databases spell differently: JSON's order and numbers, zeros of times."""
    if isinstance(value, str) and value[:1] in ("{", "["):
        with suppress(ValueError):
            numbers = json.loads(value, parse_float=Fraction, parse_int=Fraction)
            return json.dumps(numbers, sort_keys=True, default=str)
    if isinstance(value, str) and value[4:5] == "-" and "." in value and value[10:11] == " ":
        return value.rstrip("0")
    return value
