"""``aiops move``: every row arrives as it was, an interrupted move continues, and nothing else is touched."""

from __future__ import annotations

import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from tests.integration.moving import (
    MANY,
    ask,
    begin_and_kill,
    contents,
    database,
    make_home,
    migrated_database,
    move,
    of_servers,
    write,
)
from tests.ports import free_port
from tests.servers.postgresql import PostgreSQL

CHAT = uuid.UUID(int=7).hex
HARD = f"""
PRAGMA foreign_keys = ON;
INSERT INTO conversations_conversation (id, kind, user_id, title, created_at, updated_at, last_position, memory_from)
  SELECT '{CHAT}', 'chat', id, 'Ä "quoted" \\ 😀', '2026-03-29 01:30:00.123456', '2026-03-29 01:30:00', 3000, 0
  FROM people_user LIMIT 1;
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {MANY})
INSERT INTO conversations_message (id, conversation_id, position, role, text, rolled_back, created_at)
  SELECT printf('%032x', i), '{CHAT}', i, 'user', 'message ' || i || char(10) || '漢字 %s {{0}}', i % 2,
  '2026-01-01 00:00:00' FROM n;
UPDATE conversations_message SET text = replace(hex(zeroblob(300000)), '00', 'long ') WHERE position <= 5;
INSERT INTO maintenance_jobrun (job, slot, outcome, started_at, ms, summary) VALUES
  ('a', '1', 'done', '2026-01-01 00:00:00.000001', 0.1,
   '{{"z": 1, "a": [1e16, 1.5e300, 0.1, -0.0, 12345678901234567]}}'),
  ('b', '1', 'done', '9999-12-31 23:59:59.999999', 1e-300, '{{"text": "\\ud83d\\ude00", "null": null}}');
INSERT INTO batches_upload (batch_id, number, data) SELECT id, 0, randomblob(500000) FROM batches_batch LIMIT 1;
UPDATE tool_servers_mcpserver SET updated_at = '2020-02-29 00:00:00';
INSERT INTO django_session (session_key, session_data, expire_date) VALUES
  ('b', 'x', '2030-01-01 00:00:00'), ('A', 'y', '2030-01-01 00:00:00'), ('_', 'z', '2030-01-01 00:00:00');
INSERT INTO auth_group (id, name) VALUES (41, 'operators');
INSERT INTO auth_group_permissions (group_id, permission_id) SELECT 41, id FROM auth_permission LIMIT 3;
"""


@pytest.fixture(scope="module")
def used(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_home(tmp_path_factory.mktemp("used") / "home", HARD)


@pytest.fixture
def home(used: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(used, tmp_path / "home"))


@pytest.fixture(scope="module")
def migrated(postgresql: PostgreSQL, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with migrated_database(postgresql, tmp_path_factory.mktemp("migrated")) as name:
        yield name


@pytest.fixture
def url(postgresql: PostgreSQL, migrated: str) -> Iterator[str]:
    """A database as migrations leave it, which a move fills like an empty one; ``moved`` is of an empty one."""
    with database(postgresql, template=migrated) as made:
        yield made


@dataclass(frozen=True)
class Moved:
    """A home that was moved, where to, and what the move printed."""

    home: Path
    url: str
    output: str

    @property
    def key(self) -> str:
        return (self.home / "secret_key").read_text()


@pytest.fixture(scope="module")
def moved(used: Path, postgresql: PostgreSQL, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Moved]:
    home = Path(shutil.copytree(used, tmp_path_factory.mktemp("moved") / "home"))
    with database(postgresql) as url:
        done = move("to-postgresql", home, url)
        assert done.returncode == 0, done.stderr
        yield Moved(home, url, done.stdout)


def test_every_row_is_the_same_after_a_move_there_and_back(moved: Moved, tmp_path: Path) -> None:
    before, back = contents(moved.home), tmp_path / "back"
    assert sum(map(len, before.values())) > 2_600
    done = move("to-home", back, moved.url, AIOPS_SECRET_KEY=moved.key)
    assert done.returncode == 0, done.stderr
    after = contents(back)
    assert after.keys() == before.keys()
    for name, rows in before.items():
        assert after[name] == rows, name
    assert (back / "secret_key").read_text() == moved.key


def test_the_rows_of_each_table_and_what_comes_next_are_printed(moved: Moved) -> None:
    shown = {line.split()[0]: line.split()[1:] for line in moved.output.splitlines()}
    assert shown["conversations_message"][0] == f"{len(contents(moved.home)['conversations_message']):,}"
    assert f"Set AIOPS_SECRET_KEY to the content of {moved.home}/secret_key" in moved.output


def test_new_rows_are_numbered_behind_those_that_came(moved: Moved) -> None:
    with psycopg.connect(moved.url) as connection:  # rolled back
        connection.execute("INSERT INTO auth_group (name) VALUES ('new')")
        assert connection.execute("SELECT id FROM auth_group WHERE name = 'new'").fetchall() == [(42,)]
        connection.execute(
            "INSERT INTO maintenance_jobrun (job, slot, outcome, summary) VALUES ('c', '1', 'done', '{}')"
        )
        connection.rollback()


def test_a_target_with_people_in_it_is_refused_and_stays(moved: Moved) -> None:
    before = ask(moved.url, "SELECT * FROM people_user")
    refused = move("to-postgresql", moved.home, moved.url)
    assert (refused.returncode, "is not empty: auth_group has 1 rows" in refused.stderr) == (1, True), refused.stderr
    assert ask(moved.url, "SELECT * FROM people_user") == before


def test_a_home_with_a_database_is_no_target(moved: Moved) -> None:
    before = contents(moved.home)
    refused = move("to-home", moved.home, moved.url, AIOPS_SECRET_KEY=moved.key)
    assert (refused.returncode, "is not empty" in refused.stderr) == (1, True), refused.stderr
    refused = move("to-home", moved.home, moved.url, AIOPS_SECRET_KEY="k" * 60)
    assert (refused.returncode, "has another secret_key" in refused.stderr) == (1, True), refused.stderr
    assert contents(moved.home) == before
    assert (moved.home / "secret_key").read_text() == moved.key


def test_a_killed_move_continues_where_it_was(home: Path, url: str, tmp_path: Path) -> None:
    begin_and_kill(home, url)
    assert refused_by(url, tmp_path, *REFUSED) == list(REFUSED)
    done = move("to-postgresql", home, url)
    assert done.returncode == 0, done.stderr
    assert "Continuing the move that was interrupted" in done.stderr
    assert "people_user: 1 of" not in done.stderr, "a table that was complete was copied again"
    back = move("to-home", tmp_path / "back", url, AIOPS_SECRET_KEY=(home / "secret_key").read_text())
    assert back.returncode == 0, back.stderr
    assert contents(tmp_path / "back") == contents(home)


CELERY = ("celery", "-A", "config")
REFUSED = {
    "migrate": ("config.cli", "manage", "migrate"),
    "worker-runs": (*CELERY, "worker", "-P", "threads", "-Q", "runs", "-I", "workers.runs"),
    "worker-upkeep": (*CELERY, "worker", "-P", "threads", "-Q", "upkeep", "-I", "workers.upkeep"),
    "beat": (*CELERY, "beat", "--pidfile="),
    "web": ("uvicorn", "config.asgi:application", "--port", "{port}"),
}


def refused_by(url: str, folder: Path, *names: str) -> list[str]:
    """Return which processes end, and say why, on the target of an unfinished move."""
    refused = []
    for name in names:
        command = [sys.executable, "-m", *(part.format(port=free_port()) for part in REFUSED[name])]
        done = subprocess.run(command, env=of_servers(folder, url), capture_output=True, text=True, timeout=120)
        if done.returncode and "unfinished move" in done.stdout + done.stderr:
            refused.append(name)
    return refused


def test_a_source_that_changed_meanwhile_is_found_and_the_move_starts_from_the_beginning(
    home: Path, url: str, tmp_path: Path
) -> None:
    begin_and_kill(home, url)
    write(home, "UPDATE people_user SET first_name = 'Changed'")
    done = move("to-postgresql", home, url)
    assert done.returncode == 1
    assert "Source and target differ in people_user: was the source in use" in done.stderr
    assert [line for line in done.stdout.splitlines() if "DIFFERS" in line]
    assert refused_by(url, tmp_path, "migrate") == ["migrate"]
    again = move("to-postgresql", home, url)
    assert again.returncode == 0, again.stderr
    assert ask(url, "SELECT DISTINCT first_name FROM people_user") == [("Changed",)]
    assert ask(url, "SELECT to_regclass('aiops_move')") == [(None,)]


def test_another_source_does_not_continue_a_move(home: Path, url: str, tmp_path: Path) -> None:
    begin_and_kill(home, url)
    other = Path(shutil.copytree(home, tmp_path / "other"))
    refused = move("to-postgresql", other, url)
    assert (refused.returncode, f"an unfinished move from sqlite:///{home}" in refused.stderr) == (1, True)
    back = move("to-home", tmp_path / "back", url, AIOPS_SECRET_KEY="k" * 60)
    assert (back.returncode, "holds an unfinished move" in back.stderr) == (1, True)
    assert not (tmp_path / "back/db.sqlite3").exists()


def test_characters_that_postgresql_refuses_are_replaced(home: Path, url: str) -> None:
    write(home, "UPDATE conversations_message SET text = 'a' || char(0) || 'b' WHERE position = 9")
    write(home, """UPDATE maintenance_jobrun SET summary = '{"a": "\\u0000"}' WHERE job = 'a'""")
    done = move("to-postgresql", home, url)
    assert done.returncode == 0, done.stderr
    where = f"conversation_id = '{uuid.UUID(CHAT)}' AND position = 9"
    assert ask(url, f"SELECT text FROM conversations_message WHERE {where}") == [("a\ufffdb",)]
    assert ask(url, "SELECT summary FROM maintenance_jobrun WHERE job = 'a'") == [({"a": "\ufffd"},)]


def test_a_value_without_room_is_named_and_the_move_continues_when_it_is_corrected(home: Path, url: str) -> None:
    write(home, f"UPDATE conversations_conversation SET title = printf('%0300d', 1) WHERE id = '{CHAT}'")
    done = move("to-postgresql", home, url)
    assert done.returncode == 1
    place = f"conversations_conversation.title of the row {uuid.UUID(CHAT)} cannot be stored in the target"
    assert place in done.stderr
    assert "it has 300 characters, and at most 200 are stored" in done.stderr
    write(home, f"UPDATE conversations_conversation SET title = 'short' WHERE id = '{CHAT}'")
    assert move("to-postgresql", home, url).returncode == 0


def test_a_migrated_target_without_people_is_filled(home: Path, url: str) -> None:
    assert ask(url, "SELECT name FROM tool_servers_mcpserver") == [("host",)]
    done = move("to-postgresql", home, url)
    assert done.returncode == 0, done.stderr


def test_a_target_in_which_only_models_were_configured_is_refused(home: Path, url: str) -> None:
    ask(
        url,
        "INSERT INTO llm_llmprovider (id, name, handler, description, documentation_url, config_schema, is_enabled, "
        "tags, updated_at) VALUES (gen_random_uuid(), 'local', 'ollama', '', '', '{}', true, '[]', now())",
    )
    refused = move("to-postgresql", home, url)
    assert (refused.returncode, "is not empty: llm_llmprovider has 1 rows" in refused.stderr) == (1, True)
