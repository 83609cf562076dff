"""The Procfile's processes, started one by one against PostgreSQL, RabbitMQ and Redis, answer and end in order."""

from __future__ import annotations

import json
import os
import re
import secrets
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import psycopg
import pytest

from tests.acceptance.system import BIN, PASSED_ON, eventually
from tests.ports import free_port
from tests.servers.postgresql import PostgreSQL
from tests.servers.rabbitmq import RabbitMQ
from tests.servers.redis import Redis

ROOT = Path(__file__).parents[3]
QUEUES = ("runs", "batch", "upkeep", "dead")
"""All queues that are declared for longer than a process lives."""
STARTED = ("web", "worker-runs", "worker-batch", "worker-upkeep", "beat", "flower")
FLOWER = "aiops flower"
"""Not in the Procfile, which process managers start as a whole."""
TOKEN = """
from aiops.people import tokens
from aiops.people.models import User
user = User.objects.create_superuser("admin", password="correct-horse-battery")
print(tokens.issue(user, name="test")[1])
"""


def commands() -> dict[str, str]:
    listed = dict(line.split(": ", 1) for line in (ROOT / "Procfile").read_text().splitlines())
    return {**listed, "flower": FLOWER}


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


def aiops(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(BIN / "aiops"), *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)


def manage(environment: dict[str, str], *arguments: str) -> str:
    done = aiops(environment, "manage", *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def start(environment: dict[str, str], name: str, log: Path) -> subprocess.Popen[bytes]:
    with log.open("wb") as file:
        shell = ["bash", "-c", f"exec {commands()[name]}"]
        return subprocess.Popen(shell, env=environment, stdout=file, stderr=file, cwd=ROOT)


@pytest.fixture
def running(environment: dict[str, str], tmp_path: Path) -> Iterator[dict[str, subprocess.Popen[bytes]]]:
    manage(environment, "migrate", "--verbosity=0")
    made = {name: start(environment, name, tmp_path / f"{name}.log") for name in commands()}
    yield made
    for process in made.values():
        if process.poll() is None:
            process.kill()
        process.wait(timeout=10)


def test_the_procfile_on_real_servers_answers_and_every_process_ends_in_order(
    environment: dict[str, str], running: dict[str, subprocess.Popen[bytes]], rabbitmq: RabbitMQ, tmp_path: Path
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
    for kind in ("web", "worker", "beat"):
        eventually(
            lambda kind=kind: aiops(environment, "probe", kind).returncode == 0, what=f"the sign of life of {kind}"
        )  # type: ignore[misc]
    found = aiops({**environment, "AIOPS_URL": url, "AIOPS_TOKEN": token}, "doctor")
    assert re.search(r"^ok +workers +3 on 1 host answered", found.stdout, re.MULTILINE), found.stdout
    assert "DOWN" not in found.stdout, found.stdout
    second = start({**environment, "WORKER": "7"}, "worker-runs", tmp_path / "first-7.log")
    eventually(
        lambda: "ready" in (tmp_path / "first-7.log").read_text(), within_s=60, what="a worker of a name of its own"
    )
    refused = start({**environment, "WORKER": "7"}, "worker-runs", tmp_path / "second-7.log")
    assert refused.wait(timeout=60) == 1
    assert "already runs on this host: give each its own name" in (tmp_path / "second-7.log").read_text()
    second.terminate()
    assert second.wait(timeout=20) == 0
    seen = f"http://127.0.0.1:{environment['FLOWER_PORT']}/workers"
    eventually(lambda: _flower_sees(seen), within_s=30, what="Flower's list of workers")
    for name in reversed(STARTED):
        running[name].send_signal(signal.SIGTERM)
        code = running[name].wait(timeout=20)
        assert code in (0, -signal.SIGTERM), (name, code, (tmp_path / f"{name}.log").read_text()[-2000:])
    for kind, problem in (("web", "does not answer"), ("worker", "no worker process"), ("beat", "no beat process")):
        probed = aiops(environment, "probe", kind)
        assert (probed.returncode, problem in probed.stderr) == (1, True), probed
    assert {name: _not_json(tmp_path / f"{name}.log") for name in STARTED} == {name: [] for name in STARTED}
    assert rabbitmq.queues() == set(QUEUES)


def test_a_service_of_kubernetes_named_flower_is_not_its_port() -> None:
    linked = {"PATH": os.environ["PATH"], "FLOWER_PORT": "tcp://10.0.0.7:5555"}
    assert "set FLOWER_BASIC_AUTH=user:password" in aiops(linked, "flower").stderr
    wrong = aiops({**linked, "FLOWER_PORT": "many", "FLOWER_BASIC_AUTH": "a:b"}, "flower")
    assert (wrong.returncode, "'many' is not a valid integer" in wrong.stderr) == (2, True), wrong


def test_flower_does_not_start_without_a_password() -> None:
    for given in ("", "aiops", "aiops:", ":secret"):
        refused = aiops({"PATH": os.environ["PATH"], "FLOWER_BASIC_AUTH": given}, "flower")
        assert refused.returncode == 1
        assert "set FLOWER_BASIC_AUTH=user:password" in refused.stderr


def _not_json(log: Path) -> list[str]:
    """Return the lines that are no JSON object."""
    lines = log.read_text().splitlines()
    assert lines, log
    return [line for line in lines if not _is_json(line)]


def _is_json(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False


def _flower_sees(url: str) -> bool:
    try:
        page = httpx.get(url, auth=("aiops", "flower-password"), timeout=5).text
    except httpx.HTTPError:
        return False
    return all(re.search(rf"{name}-\d+@", page) for name in ("runs", "upkeep"))
