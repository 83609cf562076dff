"""What the page on backups shows, works: each block is run as it is written, with this test's paths and server."""

from __future__ import annotations

import os
import re
import subprocess
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import psycopg
import pytest
import yaml

from tests.acceptance.system import BIN, System
from tests.conftest import program
from tests.integration.moving import move
from tests.servers.postgresql import PostgreSQL

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs/operations/backup.md").read_text()
SHIM = """#!/bin/bash
# Stands for Docker's command: a service's own program is run, everything else is written down.
[ "$1" = compose ] && shift
if [ "$1 $2 $3" = "exec -T postgres" ]; then shift 3; exec "$@"; fi
echo "$@" >> "$CALLS"
"""


def blocks(heading: str) -> list[str]:
    """Return the blocks of shell commands below a heading, up to the next one of its level or above."""
    level = heading.partition(" ")[0]
    below = PAGE.partition(f"\n{heading}\n")[2]
    assert below, f"the page has no {heading!r}"
    section = re.split(rf"\n#{{2,{len(level)}}} ", below)[0]
    return [textwrap.dedent(block) for block in re.findall(r"```sh\n(.*?)```", section, re.DOTALL)]


def walk(commands: list[str], replaced: dict[str, str], env: dict[str, str], folder: Path) -> str:
    """Run commands in one shell, with this test's paths in place of the page's."""
    script = "set -eo pipefail\n" + "\n".join(commands)
    for shown, ours in replaced.items():
        script = script.replace(shown, ours)
    done = subprocess.run(["bash", "-c", script], cwd=folder, env=env, capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def environment(plain: System, tmp_path: Path) -> dict[str, str]:
    (tmp_path / "backups").mkdir()
    kept = {name: value for name, value in plain.env.items() if name != "AIOPS_HOME"}
    return {**kept, "PATH": f"{BIN}:{os.environ['PATH']}"}


def messages(system: System) -> int:
    return int(system.rows("SELECT count(*) FROM conversations_message")[0][0])


def test_the_drill_on_one_machine_reads_the_newest_backup(
    plain: System, environment: dict[str, str], tmp_path: Path
) -> None:
    plain.ended(plain.ask("what is in the backup?")["run"]["id"])
    replaced = {"/backups": str(tmp_path / "backups"), "/srv/aiops": str(plain.home)}
    backup, _ = blocks("## One machine (`aiops up`, SQLite)")
    drill = blocks("### Drill on one machine")
    assert len(drill) == 4
    seen = walk([backup, *drill], replaced, {**environment, "TMPDIR": str(tmp_path)}, tmp_path)
    assert seen.count(f"conversations_message: {messages(plain)}") == 2
    assert "what is in the backup?\nuser: what is in the backup?\nassistant: " in seen
    assert "The key is the same." in seen
    assert [path.name for path in tmp_path.iterdir()] == ["backups"]


def test_a_restored_home_starts_as_it_is_written(plain: System, environment: dict[str, str], tmp_path: Path) -> None:
    plain.ended(plain.ask("hello")["run"]["id"])
    backup, restore = blocks("## One machine (`aiops up`, SQLite)")
    replaced = {
        "/backups": str(tmp_path / "backups"),
        "$(date +%F)": "2027-01-31",
        "/srv/aiops-restored": str(tmp_path / "restored"),
        "/srv/aiops": str(plain.home),
    }
    restored, up = restore.strip().splitlines()
    walk([backup, restored], replaced, environment, tmp_path)
    assert up == "aiops up --home /srv/aiops-restored"
    system = System(tmp_path / "restored").start()
    assert messages(system) == messages(plain)
    assert system.stop() == 0


@dataclass(frozen=True)
class Filled:
    """A database named aiops with the rows of a home, and what stands for the page's server."""

    url: str
    replaced: dict[str, str]

    def one(self, sql: str) -> tuple[object, ...] | None:
        with psycopg.connect(self.url, autocommit=True) as connection:
            found = connection.execute(sql)  # type: ignore[call-overload]
            row: tuple[object, ...] | None = found.fetchone() if found.description else None
            return row


@pytest.fixture(scope="module")
def filled(plain: System, postgresql: PostgreSQL, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Filled]:
    for name in ("pg_dump", "pg_restore", "createdb", "dropdb", "psql"):
        program(name, package="postgresql-client")
    plain.ended(plain.ask("what is in the dump?")["run"]["id"])
    folder = tmp_path_factory.mktemp("filled")
    archive, home = folder / "backup.tar.gz", folder / "home"
    assert plain.cli("backup", str(archive)).returncode == 0
    assert plain.cli("restore", str(archive), "--home", str(home)).returncode == 0
    with psycopg.connect(postgresql.url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE aiops")
        url = postgresql.url.replace("/postgres", "/aiops")
        moved = move("to-postgresql", home, url)
        assert moved.returncode == 0, moved.stderr
        yield Filled(url, {"db.example.org": postgresql.host, "PGPORT=5432": f"PGPORT={postgresql.port}"})
        connection.execute("DROP DATABASE aiops WITH (FORCE)")
        assert connection.execute("SELECT 1 FROM pg_database WHERE datname = 'aiops_drill'").fetchone() is None


COUNT = "SELECT count(*) FROM conversations_message"
EMPTY = "TRUNCATE conversations_conversation CASCADE"


def test_the_drill_with_postgresql_reads_the_newest_dump(
    filled: Filled, environment: dict[str, str], tmp_path: Path
) -> None:
    variables, dump, _ = blocks("## PostgreSQL")
    drill = blocks("### Drill with PostgreSQL")
    assert len(drill) == 4
    replaced = {**filled.replaced, "/backups": str(tmp_path / "backups")}
    seen = walk([variables, dump, *drill], replaced, environment, tmp_path)
    counted = filled.one(
        "SELECT (SELECT count(*) FROM people_user), (SELECT count(*) FROM conversations_message), "
        "(SELECT count(*) FROM runs_run)"
    )
    assert counted is not None
    assert seen.count(" | ".join(f"{count:>{width}}" for count, width in zip(counted, (5, 8, 4), strict=True))) == 2
    assert "| assistant |" in seen
    assert "what is in the dump?" in seen


def test_a_dump_is_restored_over_what_was_changed_since(
    filled: Filled, environment: dict[str, str], tmp_path: Path
) -> None:
    variables, dump, restore = blocks("## PostgreSQL")
    replaced = {**filled.replaced, "/backups": str(tmp_path / "backups"), "$(date +%F)": "2027-01-31"}
    walk([variables, dump], replaced, environment, tmp_path)
    before = filled.one(COUNT)
    filled.one(EMPTY)
    env = {
        **environment,
        "DATABASE_URL": filled.url,
        "AIOPS_SECRET_KEY": "k" * 60,
        "AIOPS_HOME": str(tmp_path / "none"),
    }
    walk([variables, restore], replaced, env, tmp_path)
    assert filled.one(COUNT) == before


def test_the_commands_for_compose_dump_and_restore(filled: Filled, environment: dict[str, str], tmp_path: Path) -> None:
    shim = tmp_path / "bin/docker"
    shim.parent.mkdir()
    shim.write_text(SHIM)
    shim.chmod(0o755)
    url = httpx.URL(filled.url)
    env = {**environment, "PATH": f"{shim.parent}:{environment['PATH']}", "CALLS": str(tmp_path / "calls")}
    env |= {"PGHOST": url.host, "PGPORT": str(url.port)}
    dump, restore = blocks("## Compose")
    walk([dump], {}, env, tmp_path)
    before = filled.one(COUNT)
    filled.one(EMPTY)
    walk([restore], {}, env, tmp_path)
    assert filled.one(COUNT) == before
    calls = [call.split() for call in (tmp_path / "calls").read_text().splitlines()]
    assert [call[0] for call in calls] == ["stop", "run", "up"]
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    stateful = {"postgres", "rabbitmq", "redis", "migrate", "flower"}
    assert set(calls[0][1:]) == set(services) - stateful, "what writes rows is stopped, and nothing else"
    assert calls[1] == ["run", "--rm", "migrate"]


def test_the_commands_of_a_move_are_those_of_the_command_line(plain: System) -> None:
    shown = re.findall(r"aiops (move \S+) --home (\S+)", PAGE)
    assert {command for command, _ in shown} == {"move to-postgresql", "move to-home"}
    for command in ("to-postgresql", "to-home"):
        assert "--home" in plain.cli("move", command, "--help").stdout
