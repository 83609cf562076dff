"""The fork server: what it forks has its own output, name and chance, and is told of when it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import psutil
import pytest

from config.launching import FORKS, CannotLaunch, ForkServer, Process
from tests.acceptance.system import eventually

pytestmark = pytest.mark.skipif(not FORKS, reason="there is no fork server on this system")
PROGRAM = """
import json, os, random, sys, time, uuid
import uuid_utils
open_files = [f"/proc/self/fd/{fd}" for fd in os.listdir("/proc/self/fd")]
sockets = [path for path in open_files if os.path.exists(path) and "socket" in os.readlink(path)]
print(json.dumps({
    "arguments": sys.argv[1:], "nice": os.nice(0), "leads": os.getsid(0) == os.getpid(), "sockets": sockets,
    "chance": [random.random(), str(uuid.uuid4()), str(uuid_utils.uuid7())],
    "known": "workers.process" in sys.modules,
    "threads": len(os.listdir(f"/proc/{os.getppid()}/task")), "input": sys.stdin.read(),
}), flush=True)
if "wait" in sys.argv:
    time.sleep(60)
sys.exit(3)
"""
Fork = Callable[..., Process]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ForkServer]:
    folder = tmp_path_factory.mktemp("program")
    (folder / "forked_program.py").write_text(PROGRAM)
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = str(folder)
    made = ForkServer()
    process = made.spawn()
    yield made
    process.send_signal(signal.SIGKILL)
    process.wait(timeout=5)
    assert process.stdout is not None
    assert process.stdout.read() == b""
    process.stdout.close()
    os.environ.pop("PYTHONPATH") if before is None else os.environ.update(PYTHONPATH=before)


@pytest.fixture
def fork(server: ForkServer) -> Iterator[Fork]:
    eventually(server.is_ready, within_s=30, what="the fork server")
    made: list[Process] = []

    def make(*arguments: str, nice: int = 0) -> Process:
        made.append(server.fork([sys.executable, "-m", "forked_program", *arguments], nice=nice))
        return made[-1]

    yield make
    for process in made:
        process.send_signal(signal.SIGKILL)
        process.wait(timeout=5)
        assert process.stdout is not None
        process.stdout.close()


def said(process: Process) -> dict[str, Any]:
    assert process.stdout is not None
    told: dict[str, Any] = json.loads(process.stdout.readline())
    return told


def test_what_is_forked_is_a_process_of_its_own_and_its_end_is_told(fork: Fork) -> None:
    process = fork("a", "b c", nice=5)
    told = said(process)
    assert told["arguments"] == ["a", "b c"]
    assert (told["nice"] - os.nice(0), told["leads"], told["known"], told["input"]) == (5, True, True, "")
    assert (told["sockets"], told["threads"]) == ([], 1)
    assert process.wait(timeout=5) == 3
    assert process.poll() == 3


def test_two_that_are_forked_share_no_chance(fork: Fork) -> None:
    first, second = (said(fork())["chance"] for _ in range(2))
    assert not set(first) & set(second)


def test_it_bears_its_name_and_ends_as_it_is_told(fork: Fork) -> None:
    process = fork("wait")
    said(process)
    assert "-m forked_program wait" in " ".join(psutil.Process(process.pid).cmdline())
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(timeout=0.05)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=5) == -signal.SIGTERM


def test_a_module_that_is_not_there_says_so_and_ends(server: ForkServer, fork: Fork) -> None:
    process = server.fork([sys.executable, "-m", "no_such_module"])
    assert process.stdout is not None
    with process.stdout:
        assert b"No module named no_such_module" in process.stdout.read()
    assert process.wait(timeout=5) == 1


def test_what_a_dead_server_forked_ends_and_another_server_forks_again(server: ForkServer, fork: Fork) -> None:
    process = fork("wait")
    said(process)
    dead = psutil.Process(process.pid).parent()
    assert dead is not None
    dead.kill()
    assert process.wait(timeout=5) == -signal.SIGTERM
    with pytest.raises(CannotLaunch):
        fork()
    again = server.spawn()
    eventually(server.is_ready, within_s=30, what="another fork server")
    assert said(fork())["leads"]
    again.send_signal(signal.SIGKILL)
    again.wait(timeout=5)
    assert again.stdout is not None
    again.stdout.close()
