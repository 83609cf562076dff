"""The Procfile's processes, started one by one against PostgreSQL, RabbitMQ and Redis, answer and end in order."""

from __future__ import annotations

import os
import re
import secrets
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import psycopg
import pytest

from tests.acceptance.system import BIN, PASSED_ON, eventually
from tests.ports import free_port
from tests.servers.postgresql import PostgreSQL
from tests.servers.rabbitmq import RabbitMQ
from tests.servers.redis import Redis

ROOT = Path(__file__).parents[2]
STARTED = ("web", "worker-runs", "worker-batch", "worker-upkeep", "beat", "flower")
TOKEN = """
from aiops.people import tokens
from aiops.people.models import User
user = User.objects.create_superuser("admin", password="correct-horse-battery")
print(tokens.issue(user, name="test")[1])
"""


def commands() -> dict[str, str]:
    return dict(line.split(": ", 1) for line in (ROOT / "Procfile").read_text().splitlines())


@pytest.fixture
def environment(postgresql: PostgreSQL, rabbitmq: RabbitMQ, tmp_path: Path) -> Iterator[dict[str, str]]:
    with psycopg.connect(postgresql.url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE procfile")
    redis = Redis(tmp_path)
    redis.start()
    yield {
        **{name: os.environ[name] for name in PASSED_ON if name in os.environ},
        "PATH": f"{BIN}:{os.environ['PATH']}",
        "AIOPS_HOME": str(tmp_path / "home"),
        "AIOPS_SECRET_KEY": secrets.token_urlsafe(50),
        "DATABASE_URL": postgresql.url.replace("/postgres", "/procfile"),
        "CELERY_BROKER_URL": rabbitmq.url,
        "REDIS_URL": redis.url,
        "AIOPS_CHECKPOINTER": "postgres",
        "AIOPS_DRAIN_S": "1",
        "FLOWER_BASIC_AUTH": "aiops:flower-password",
        "PORT": str(free_port()),
        "FLOWER_PORT": str(free_port()),
    }
    redis.end()


def manage(environment: dict[str, str], *arguments: str) -> str:
    command = [str(BIN / "aiops"), "manage", *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def running(environment: dict[str, str], tmp_path: Path) -> Iterator[dict[str, subprocess.Popen[bytes]]]:
    manage(environment, "migrate", "--verbosity=0")
    with ExitStack() as stack:
        made = {}
        for name, command in commands().items():
            log = stack.enter_context((tmp_path / f"{name}.log").open("wb"))
            shell = ["bash", "-c", f"exec {command}"]
            made[name] = subprocess.Popen(shell, env=environment, stdout=log, stderr=log, cwd=ROOT)
        yield made
        for process in made.values():
            if process.poll() is None:
                process.kill()
            process.wait(timeout=10)


def test_the_procfile_on_real_servers_answers_and_every_process_ends_in_order(
    environment: dict[str, str], running: dict[str, subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    assert tuple(running) == STARTED
    token = manage(environment, "shell", "--no-imports", "-c", TOKEN).strip()
    url = f"http://127.0.0.1:{environment['PORT']}"

    def ready() -> bool:
        dead = [name for name, process in running.items() if process.poll() is not None]
        assert dead == [], (tmp_path / f"{dead[0]}.log").read_text()[-2000:]
        try:
            return bool(httpx.get(f"{url}/health/ready", timeout=2).json()["degraded"] == [])
        except (httpx.HTTPError, ValueError):
            return False

    eventually(ready, within_s=60, what="readiness")
    with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=40) as client:
        accepted = client.post("/api/chat/", json={"message": "what can you do?"}).json()
        answered = client.get(f"/api/runs/{accepted['run']['id']}/", params={"wait": 30}).json()
        assert answered["state"] == "succeeded", answered
        again = {"message": "thanks", "conversation": accepted["conversation"]}
        second = client.post("/api/chat/", json=again).json()["run"]["id"]
        assert client.get(f"/api/runs/{second}/", params={"wait": 30}).json()["answer"] == "You are welcome."
        items = {"items": [{"custom_id": "one", "prompt": "what can you do?"}]}
        batch = client.post("/api/batches/", json=items).json()["id"]
        eventually(lambda: client.get(f"/api/batches/{batch}/").json()["state"] == "completed", what="the batch")
    with psycopg.connect(environment["DATABASE_URL"]) as connection:
        assert connection.execute("SELECT count(*) FROM checkpoints").fetchone() == (1,)
        beaten = "SELECT count(*) FROM maintenance_jobrun WHERE job = 'reaper' AND outcome = 'done'"
        eventually(lambda: (connection.rollback(), connection.execute(beaten).fetchone()[0])[1], what="the reaper")  # type: ignore[index]
    seen = f"http://127.0.0.1:{environment['FLOWER_PORT']}/workers"
    eventually(lambda: _flower_sees(seen), within_s=30, what="Flower's list of workers")
    for name in reversed(STARTED):
        running[name].send_signal(signal.SIGTERM)
        code = running[name].wait(timeout=20)
        assert code in (0, -signal.SIGTERM), (name, code, (tmp_path / f"{name}.log").read_text()[-2000:])


def _flower_sees(url: str) -> bool:
    try:
        page = httpx.get(url, auth=("aiops", "flower-password"), timeout=5).text
    except httpx.HTTPError:
        return False
    return bool(re.search(r"runs-1@", page)) and "upkeep@" in page
