"""The two pairings: SQLite with Valkey, and PostgreSQL with RabbitMQ and Redis; leases are short."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from tests.acceptance.conftest import SHORT
from tests.acceptance.deciding import let_call
from tests.acceptance.matrix.asking import Asker
from tests.acceptance.matrix.checker import check
from tests.acceptance.model_server import ModelServer
from tests.acceptance.system import System, eventually
from tests.ports import free_port
from tests.processes import state
from tests.servers.postgresql import PostgreSQL, open_folder
from tests.servers.rabbitmq import RabbitMQ
from tests.servers.redis import Redis
from tests.servers.server import Server

PAIRINGS = ("sqlite-valkey", "postgresql-rabbitmq")
DISK = "600m"
PATIENT = {"AIOPS_MAX_ATTEMPTS": "50", "AIOPS_MAX_QUEUED_RUNS": "20000", "AIOPS_REQUESTS_PER_MINUTE": "100000"}


@dataclass(frozen=True, slots=True)
class Pairing:
    """A running system and the servers under it; without PostgreSQL and RabbitMQ both are None."""

    system: System
    redis: Redis
    database: PostgreSQL | None
    broker: RabbitMQ | None
    marks: Path
    disk: Path | None
    """The small disk that all of this but RabbitMQ lies on; None where we may not mount one."""

    def check(self, asker: Asker, *, tidy: bool = True) -> None:
        check(self.system, asker.asked, self.marks, tidy=tidy)
        children = psutil.Process(self.system.pid).children()
        assert [child for child in children if state(child) == psutil.STATUS_ZOMBIE] == []

    def settle(self) -> None:
        """Wait until every part answers again; a server that gave itself up is started, as its supervisor would."""

        def settled() -> bool:
            for server in (self.redis, self.database, self.broker):
                if server is not None and server.exited:
                    server.start()
            return self.system.is_ready()

        eventually(settled, within_s=60, what="readiness")


def mounted(folder: Path) -> bool:
    """Mount a small disk there; False where we may not."""
    if os.geteuid() != 0 or not shutil.which("mount"):
        return False
    command = ["mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", str(folder)]
    return subprocess.run(command, capture_output=True).returncode == 0


@pytest.fixture(scope="session")
def effects(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """The tool server's address and its marks."""
    port, marks = free_port(), tmp_path_factory.mktemp("effects") / "marks"
    marks.touch()
    command = [sys.executable, str(Path(__file__).with_name("effects.py")), str(port), str(marks)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    yield f"http://127.0.0.1:{port}/mcp", marks
    server.terminate()
    server.wait(timeout=10)


@pytest.fixture(scope="session")
def matrix_environment(model: ModelServer, effects: tuple[str, Path]) -> dict[str, str]:
    return {
        "LLM_TYPE": "openai",
        "LLM_MODEL": "scripted",
        "OPENAI_BASE_URL": model.url,
        "AIOPS_TOOL_SERVERS": json.dumps({"effects": {"url": effects[0]}}),
        **SHORT,
        "AIOPS_MODEL_TIMEOUT_S": "30",  # hundreds at once share two cores with the scripted model
        **PATIENT,
    }


@pytest.fixture(scope="session", params=PAIRINGS)
def pairing(
    request: pytest.FixtureRequest,
    matrix_environment: dict[str, str],
    effects: tuple[str, Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Pairing]:
    folder = open_folder("pairing")
    database = broker = None
    with ExitStack() as ending:

        def started(server: Server) -> None:
            ending.callback(server.end)
            server.start()

        disk = folder if mounted(folder) else None
        if disk is not None:
            ending.callback(subprocess.run, ["umount", "--lazy", str(folder)], check=True)
        (folder / "redis").mkdir()
        redis = Redis(folder / "redis")
        started(redis)
        env = {**matrix_environment, "REDIS_URL": redis.url}
        if request.param == PAIRINGS[1]:
            (folder / "postgresql").mkdir()
            database = PostgreSQL(folder / "postgresql", data=folder / "postgresql" / "data")
            started(database)
            broker = RabbitMQ(
                tmp_path_factory.mktemp("rabbitmq")
            )  # on a disk of its own: it does not survive a full one
            started(broker)
            env |= {"DATABASE_URL": database.url, "CELERY_BROKER_URL": broker.url}
        system = System(folder / "home", **env).start()
        ending.callback(system.stop)
        let_call(system, "effects")
        yield Pairing(system, redis, database, broker, effects[1], disk)


@pytest.fixture
def asker(pairing: Pairing) -> Iterator[Asker]:
    made = Asker(pairing.system)
    yield made
    made.close()
