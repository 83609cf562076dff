"""Running systems: ``system`` has a scripted model and short leases, ``usual`` the usual ones, ``plain`` no model."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.browser import PASSWORD
from tests.acceptance.deciding import let_call
from tests.acceptance.migrated import migrated
from tests.acceptance.model_server import ModelServer
from tests.acceptance.system import System
from tests.ports import free_port

CANARY = "canary-7d1f-do-not-show"
HEADER_CANARY = "canary-header-55aa-do-not-show"
SHORT = {
    "AIOPS_LEASE_S": "2",
    "AIOPS_HEARTBEAT_S": "0.5",
    "AIOPS_REAPER_S": "1",
    "AIOPS_MODEL_TIMEOUT_S": "6",
    "AIOPS_TOOL_TIMEOUT_S": "8",
    "AIOPS_DRAIN_S": "1",
    "AIOPS_SIGN_INS_PER_MINUTE": "5",
    "AIOPS_METRICS_TOKEN": "metrics-canary-token",
    "AIOPS_WEBHOOK_NETWORKS": "127.0.0.1",
}
ENDED_EARLY = ("plain", "usual")
LAST_USERS = pytest.StashKey[dict[str, str]]()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Run the files that share a system one after the other, so that it can end: an idle one takes 5 % of a core."""
    ours = [item for item in items if item.path.is_relative_to(Path(__file__).parent)]
    used = {item: [name for name in ENDED_EARLY if name in item.fixturenames] for item in ours}
    of_file: dict[Path, int] = {}
    for item in ours:
        first = min((ENDED_EARLY.index(name) for name in used[item]), default=len(ENDED_EARLY))
        of_file[item.path] = min(first, of_file.get(item.path, first))
    ordered = iter(sorted(ours, key=lambda item: of_file[item.path]))
    items[:] = [next(ordered) if item in used else item for item in items]
    config.stash[LAST_USERS] = {name: item.nodeid for item in items for name in used.get(item, [])}


@pytest.hookimpl(trylast=True)  # after the fixtures of the test
def pytest_runtest_teardown(item: pytest.Function) -> None:
    for name, last in item.config.stash[LAST_USERS].items():
        if item.nodeid == last and name in item.funcargs:
            assert item.funcargs[name].stop() == 0, "".join(item.funcargs[name].output)


@pytest.fixture(scope="session")
def model() -> Iterator[ModelServer]:
    server = ModelServer(free_port())
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def scripted(model: ModelServer, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a system with the scripted model and the counting tools."""
    counting = {
        "command": sys.executable,
        "args": [str(Path(__file__).with_name("counting_server.py"))],
        "env": {"MARKS": str(tmp_path_factory.mktemp("marks") / "marks"), "CANARY": "env:AIOPS_SECRET_CANARY"},
    }
    absent = {"url": f"http://127.0.0.1:{free_port()}/mcp", "headers": {"X-Key": "env:AIOPS_SECRET_HEADER"}}
    return {
        "LLM_TYPE": "OpenAI",
        "LLM_MODEL": "scripted",
        "OPENAI_BASE_URL": model.url,
        "OPENAI_API_KEY": "sk-canary-openai-key-0123456789abcdef",
        "AIOPS_SECRET_CANARY": CANARY,
        "AIOPS_SECRET_HEADER": HEADER_CANARY,
        "AIOPS_TOOL_SERVERS": json.dumps({"counting": counting, "absent": absent}),
    }


@pytest.fixture(scope="session")
def system(scripted: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    made = System(tmp_path_factory.mktemp("system") / "home", **scripted, **SHORT).start()
    let_call(made, "counting")
    yield made
    assert made.stop() == 0, "".join(made.output)


@pytest.fixture(scope="session")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    made = System(tmp_path_factory.mktemp("plain") / "home").start()
    yield made
    assert made.stop() == 0, "".join(made.output)


@pytest.fixture(scope="session")
def usual(scripted: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A system with the leases and heartbeats that people get, and Flower."""
    home = migrated(tmp_path_factory.mktemp("usual") / "home")
    made = System(home, "--flower", "--flower-port", str(free_port()), **scripted).start()
    let_call(made, "counting")
    yield made
    assert made.stop() == 0, "".join(made.output)


@pytest.fixture(scope="session")
def password(system: System) -> None:
    """The administrator's password becomes PASSWORD."""
    find = "from aiops.people.models import User; u = User.objects.get(username='admin')"
    system.manage(f"{find}; u.set_password('{PASSWORD}'); u.save()")


@pytest.fixture(scope="session")
def stranger(system: System) -> str:
    """The token of somebody who has nothing here."""
    make = "from aiops.people.models import User; from aiops.people import tokens; u = User.objects.create_user('eve')"
    return system.manage(f"{make}; print(tokens.issue(u, name='test')[1])").split()[-1]


@pytest.fixture
def marks(scripted: dict[str, str]) -> Path:
    path = Path(json.loads(scripted["AIOPS_TOOL_SERVERS"])["counting"]["env"]["MARKS"])
    path.touch()
    return path


@pytest.fixture
def asked_about(system: System) -> Iterator[None]:
    """People are asked about each call of the tool ``counting_change``."""
    fields = {"position": 1, "server": "counting", "tool": "change", "outcome": "ask_user"}
    with system.client() as client:
        made = client.post("/api/approval-policies/", json=fields).json()
        yield
        client.delete(f"/api/approval-policies/{made['id']}/").raise_for_status()


@pytest.fixture
def thaw(system: System) -> Iterator[None]:
    """Let a failed test leave no frozen process to the next."""
    yield
    for process in [*system.processes("-Q runs"), *system.processes("valkey-server")]:
        process.resume()
