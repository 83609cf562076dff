"""``aiops up`` and a second web process beside it, for the proxies that stand in front of both."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import trustme

from config.local import processes
from tests.acceptance.browser import PASSWORD
from tests.acceptance.model_server import ModelServer
from tests.acceptance.system import System
from tests.ports import free_port
from tests.servers.proxies import PROXIES, Proxy
from tests.servers.server import Server

PROBLEM = "application/problem+json"
METRICS_TOKEN = "metrics-token-of-the-tests"


class Web(Server):
    """A second web process of a running system."""

    name = "web"

    def __init__(self, folder: Path, system: System) -> None:
        super().__init__(folder)
        self._system = system

    def command(self) -> Sequence[str]:
        return processes.web(self.host, self.port)

    def environment(self) -> dict[str, str]:
        home = self._system.home
        secrets = {"AIOPS_SECRET_KEY_FILE": str(home / "secret_key"), "REDIS_URL_FILE": str(home / "redis_url")}
        return {**self._system.env, **secrets}

    def answers(self) -> bool:
        try:
            return httpx.get(f"http://{self.host}:{self.port}/health/ready", timeout=2).status_code == 200
        except httpx.HTTPError:
            return False


@dataclass(frozen=True, slots=True)
class Installation:
    """A running system whose public address is a proxy's, with two web processes."""

    system: System
    second: Web
    model: ModelServer
    port: int
    """Of the proxy, which may be another one for each test."""
    certificates: Path

    @property
    def webs(self) -> list[str]:
        return [f"127.0.0.1:{self.system.port}", f"127.0.0.1:{self.second.port}"]


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for localhost, by an authority that nothing but these tests trusts."""
    folder = tmp_path_factory.mktemp("certificates")
    authority = trustme.CA()
    own = authority.issue_cert("localhost")
    authority.cert_pem.write_to_path(folder / "ca.pem")
    for blob in own.cert_chain_pems:
        blob.write_to_path(folder / "fullchain.pem", append=True)
    own.private_key_pem.write_to_path(folder / "privkey.pem")
    own.private_key_and_cert_chain_pem.write_to_path(folder / "both.pem")
    return folder


@pytest.fixture(scope="session")
def installation(tmp_path_factory: pytest.TempPathFactory, certificates: Path) -> Iterator[Installation]:
    model, port = ModelServer(free_port()), free_port()
    model.start()
    system = System(
        tmp_path_factory.mktemp("installation") / "home",
        LLM_TYPE="OpenAI",
        LLM_MODEL="scripted",
        OPENAI_BASE_URL=model.url,
        OPENAI_API_KEY="sk-of-the-tests",
        AIOPS_PUBLIC_URL=f"https://localhost:{port}",
        AIOPS_METRICS_TOKEN=METRICS_TOKEN,
        AIOPS_MAX_QUEUED_RUNS="10000",
        AIOPS_REQUESTS_PER_MINUTE="100000",
        FORWARDED_ALLOW_IPS="127.0.0.1",
    )
    second = Web(tmp_path_factory.mktemp("second"), system)
    try:
        system.start()
        second.start()
        find = "from aiops.people.models import User; u = User.objects.get(username='admin')"
        system.manage(f"{find}; u.set_password('{PASSWORD}'); u.save()")
        yield Installation(system, second, model, port, certificates)
    finally:
        second.end()
        system.stop()
        model.stop()


@pytest.fixture(scope="module", params=PROXIES, ids=lambda kind: kind.name)
def proxy(
    request: pytest.FixtureRequest, installation: Installation, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Proxy]:
    kind: type[Proxy] = request.param
    made = kind(
        tmp_path_factory.mktemp(kind.name),
        webs=installation.webs,
        certificates=installation.certificates,
        port=installation.port,
    )
    yield from started(made)


@pytest.fixture
def token(installation: Installation) -> dict[str, str]:
    return {"Authorization": f"Bearer {installation.system.token}"}


@pytest.fixture
def client(proxy: Proxy, token: dict[str, str]) -> Iterator[httpx.Client]:
    with proxy.client(headers=token) as made:
        yield made


def started(proxy: Proxy) -> Iterator[Proxy]:
    """Start a proxy for a test, and end it."""
    try:
        proxy.start()
        yield proxy
    finally:
        proxy.end()
