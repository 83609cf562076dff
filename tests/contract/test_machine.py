"""The suite runs on any machine: what a machine lacks is skipped with its reason, and two suites share nothing."""

from __future__ import annotations

import ast
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests import conftest, patience
from tests.acceptance.system import System
from tests.patience import Patience
from tests.ports import EPHEMERAL, free_port
from tests.servers.hosts import names
from tests.servers.server import Server

ROOT = Path(__file__).parents[2]
OPTIONAL = {"cc", "curl", "epmd", "gcc", "initdb", "ip", "nft", "prometheus", "promtool", "redis-server", "setpriv"}
SHOW = "import signal; print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)"


def nodes() -> Iterator[tuple[Path, ast.AST]]:
    for path in (ROOT / "tests").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            yield path.relative_to(ROOT), node


def test_missing_is_given_one_text_wherever_it_is_called() -> None:
    calls = [
        (path, node)
        for path, node in nodes()
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "missing"
    ]
    assert len(calls) > 8
    assert [(path, node.lineno) for path, node in calls if len(node.args) != 1 or node.keywords] == []


def test_no_command_begins_with_a_program_that_nobody_looked_for() -> None:
    found = [
        (str(path), node.lineno, node.elts[0].value)
        for path, node in nodes()
        if isinstance(node, ast.List) and node.elts and isinstance(node.elts[0], ast.Constant)
        if node.elts[0].value in OPTIONAL
    ]
    assert found == []


@pytest.mark.parametrize(("ci", "outcome"), [("", pytest.skip.Exception), ("true", pytest.fail.Exception)])
def test_a_program_that_is_not_installed_skips_a_test_and_fails_it_in_ci(
    monkeypatch: pytest.MonkeyPatch, ci: str, outcome: type[BaseException]
) -> None:
    monkeypatch.setenv("CI", ci)
    with pytest.raises(outcome, match="no-such-program"):
        conftest.program("no-such-program", package="none")
    assert conftest.program("sh", package="dash").endswith("/sh")


class Sleeper(Server):
    name = "sleeper"

    def command(self) -> Sequence[str]:
        return [sys.executable, "-c", "import time; time.sleep(60)"]

    def answers(self) -> bool:
        return True


@pytest.mark.parametrize("ci", ["", "true"])
def test_a_server_that_was_never_cut_off_ends_on_a_machine_without_nftables(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, ci: str
) -> None:
    monkeypatch.setenv("CI", ci)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("os.geteuid", lambda: 0)
    server = Sleeper(tmp_path)
    server.start()
    server.end()
    assert server.exited


def test_without_nftables_a_server_is_not_cut_off_and_the_test_is_skipped(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CI", "")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("os.geteuid", lambda: 0)
    server = Sleeper(tmp_path)
    with pytest.raises(pytest.skip.Exception, match="nft"):
        server.cut()
    server.heal()


def test_ports_of_servers_are_none_that_outgoing_connections_get() -> None:
    lowest = int(EPHEMERAL.read_text().split()[0])
    assert all(1_024 < free_port() < lowest for _ in range(100))


@pytest.mark.parametrize("arguments", [(), ("--flower",)])
def test_a_system_starts_at_no_default_port(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    started: list[list[str]] = []
    monkeypatch.setattr(subprocess, "run", lambda command, **options: started.append(command))
    system = System(tmp_path / "home")
    system.cli("up", *arguments)
    system.cli("doctor")
    assert started[0][1:4] == ["up", "--port", str(system.port)]
    assert ("--flower-port" in started[0]) == ("--flower" in arguments)
    assert started[1][1:] == ["doctor"]


def test_hosts_of_two_suites_have_different_names_and_networks() -> None:
    made = [name for network in (3, 254) for host in ("web", "worker1", "worker2") for name in names(network, host)]
    assert len(set(made)) == len(made)
    assert len(names(254, "worker2")[1]) <= 15


def test_patience_is_exact_on_a_quiet_machine_and_longer_on_a_crowded_one(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr(patience.time, "monotonic", lambda: now)
    monkeypatch.setattr(patience, "crowding", lambda: 1.0)
    quiet = Patience(10)
    now = 9.9
    assert not quiet.is_over()
    now = 10
    assert quiet.is_over()
    monkeypatch.setattr(patience, "crowding", lambda: 4.0)
    crowded = Patience(10)
    now = 49.9
    assert not crowded.is_over()
    now = 50.1
    assert crowded.is_over()


def test_what_the_suite_starts_can_be_interrupted_when_the_suite_itself_ignores_it() -> None:
    code = f"""
import subprocess, sys
from tests.interrupts import let_children_be_interrupted
subprocess.run([sys.executable, "-c", {SHOW!r}])
let_children_be_interrupted()
subprocess.run([sys.executable, "-c", {SHOW!r}])
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),
    )
    assert done.stdout.split() == ["False", "True"], done.stderr
    assert signal.getsignal(signal.SIGINT) is not signal.SIG_IGN, "the suite itself was not prepared"


def test_unit_tests_start_without_django_and_without_a_server() -> None:
    code = """
import sys, pytest
class Look:
    def pytest_collection_finish(self, session):
        from django.apps import apps
        print("collected", len(session.items) > 500, apps.ready, sys.modules["tests.started"]._server)
sys.exit(pytest.main(["tests/unit", "--collect-only", "-qq", "-p", "no:django"], plugins=[Look()]))
"""
    env = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "collected True False []" in done.stdout.splitlines()
