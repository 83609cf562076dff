"""Five hosts, made of network namespaces: cables are pulled and put back, and nothing is lost or done twice."""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

import httpx
import psutil
import pytest

from config.local import processes
from tests.acceptance.conftest import SHORT
from tests.acceptance.matrix.asking import Asker
from tests.acceptance.matrix.checker import check
from tests.acceptance.matrix.conftest import PATIENT
from tests.acceptance.matrix.scale import in_full
from tests.acceptance.model_server import ModelServer
from tests.acceptance.system import BIN, PASSED_ON, System, eventually
from tests.ports import free_port
from tests.servers.hosts import Hosts
from tests.servers.postgresql import PostgreSQL
from tests.servers.rabbitmq import RabbitMQ
from tests.servers.redis import Redis

AWAY_S = 6.0
PEOPLE = "config.local.prepare"
pytestmark = in_full


class Spread(System):
    """Processes on several hosts; everything else is asked of it as of any system."""

    def __init__(self, home: Path, hosts: Hosts, port: int, **environment: str) -> None:
        super().__init__(home, **environment)
        self.port = port
        self.url = f"http://{hosts.addresses['web']}:{port}"
        self.children: dict[str, subprocess.Popen[bytes]] = {}
        self._hosts = hosts

    @property
    def pid(self) -> int:
        return os.getpid()

    def begin(self, name: str, host: str, command: Sequence[str]) -> None:
        log = (self.home / f"{name}.log").open("wb")
        with log:
            inside = [*self._hosts.inside(host), *command]
            self.children[name] = subprocess.Popen(inside, env=self.env, stdout=log, stderr=log)

    def end(self) -> None:
        for child in self.children.values():
            child.send_signal(signal.SIGTERM)
        for child in self.children.values():
            with suppress(subprocess.TimeoutExpired):
                child.wait(timeout=15)
            child.kill()
            child.wait(timeout=5)

    def log(self, name: str) -> str:
        return (self.home / f"{name}.log").read_text(errors="replace")


@pytest.fixture(scope="module")
def hosts() -> Iterator[Hosts]:
    made = Hosts("web", "worker1", "worker2", "data", "broker")
    made.open()
    yield made
    made.close()


@pytest.fixture(scope="module")
def model_on_the_net(hosts: Hosts) -> Iterator[ModelServer]:
    server = ModelServer(free_port(hosts.address), host=hosts.address)
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def marks(hosts: Hosts, tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("net-effects") / "marks"
    made.touch()
    return made


@pytest.fixture(scope="module")
def spread(
    hosts: Hosts, model_on_the_net: ModelServer, marks: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Spread, RabbitMQ]]:
    folder, tools = tmp_path_factory.mktemp("spread"), free_port(hosts.address)
    with ExitStack() as ending:
        servers = []
        for kind, host in ((PostgreSQL, "data"), (Redis, "data"), (RabbitMQ, "broker")):
            (folder / kind.name).mkdir()
            where = {"host": hosts.addresses[host], "inside": hosts.inside(host)}
            servers.append(kind(folder / kind.name, **where))
            ending.callback(servers[-1].end)
            servers[-1].start()
        database, redis, broker = servers
        effects = [sys.executable, str(Path(__file__).with_name("effects.py")), str(tools), str(marks), hosts.address]
        tool_server = subprocess.Popen(effects, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        ending.callback(tool_server.wait, timeout=10)
        ending.callback(tool_server.terminate)
        home = folder / "home"
        home.mkdir()
        system = Spread(
            home,
            hosts,
            free_port(hosts.address),
            **{name: os.environ[name] for name in PASSED_ON if name in os.environ},
            **SHORT,
            **PATIENT,
            AIOPS_SECRET_KEY=secrets.token_urlsafe(50),
            AIOPS_ALLOWED_HOSTS=hosts.addresses["web"],
            DATABASE_URL=database.url,
            REDIS_URL=redis.url,
            CELERY_BROKER_URL=broker.url,
            LLM_TYPE="openai",
            LLM_MODEL="scripted",
            OPENAI_BASE_URL=model_on_the_net.url,
            AIOPS_TOOL_SERVERS=json.dumps({"effects": {"url": f"http://{hosts.address}:{tools}/mcp"}}),
        )
        ready = [str(BIN / "python"), "-m", PEOPLE, str(home / "token"), str(home / "password")]
        subprocess.run([*hosts.inside("web"), *ready], env=system.env, check=True, capture_output=True)
        ending.callback(system.end)
        system.begin("web", "web", processes.web(hosts.addresses["web"], system.port))
        system.begin("upkeep", "web", processes.worker_upkeep())
        system.begin("beat", "web", processes.beat())
        for n in (1, 2):
            system.begin(f"worker{n}", f"worker{n}", processes.worker_runs(n, concurrency=250))
        eventually(lambda: answers(system), within_s=60, what="readiness")
        yield system, broker


def answers(system: Spread) -> bool:
    try:
        return bool(httpx.get(f"{system.url}/health/ready", timeout=3).json()["degraded"] == [])
    except (httpx.HTTPError, ValueError):
        return False


@pytest.fixture
def asker(spread: tuple[Spread, RabbitMQ]) -> Iterator[Asker]:
    made = Asker(spread[0])
    yield made
    made.close()


@pytest.mark.parametrize("host", ["worker1", "broker", "data"])
def test_a_pulled_cable_loses_nothing_and_does_nothing_twice(
    spread: tuple[Spread, RabbitMQ], hosts: Hosts, marks: Path, asker: Asker, host: str
) -> None:
    system, _ = spread
    asker.ask(20, words=60, pause_s=0.05)
    hosts.cut(host)
    begun = time.monotonic()
    try:
        if host != "data":
            asker.ask(10)
        while time.monotonic() - begun < AWAY_S:
            time.sleep(0.1)
    finally:
        hosts.heal(host)
    asker.ask(5)
    eventually(lambda: answers(system), within_s=60, what="readiness")
    check(system, asker.asked, marks, tidy=host != "data")
    assert all(child.poll() is None for child in system.children.values())


def test_a_worker_cut_off_from_everything_drops_its_runs_before_another_claims_them(
    spread: tuple[Spread, RabbitMQ], hosts: Hosts, marks: Path, asker: Asker
) -> None:
    system, _ = spread
    one = asker.ask(1, words=100, pause_s=0.05)[0]
    worker = system.until(one.run, "run.started")["worker"]
    cut = next(n for n in ("worker1", "worker2") if str(_celery(system.children[n].pid)) == worker.split(":")[1])
    hosts.cut(cut)
    try:
        eventually(lambda: "lease.ended" in system.log(cut), what="the cut worker's own notice")
        eventually(lambda: system.run(one.run)["attempts"] == 1, what="the take-back")
    finally:
        hosts.heal(cut)
    check(system, asker.asked, marks)


def _celery(pid: int) -> int:
    """Return the pid of what ``ip netns exec`` became or started."""
    children = psutil.Process(pid).children()
    return children[0].pid if children and "celery" in " ".join(children[0].cmdline()) else pid
