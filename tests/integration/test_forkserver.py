"""The fork server: what it forks has its own output, name and chance, and its end is reported."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from config.local.launching import FORKS, CannotLaunch, ForkServer, Process, spawn
from tests.acceptance.system import eventually
from tests.processes import running

pytestmark = pytest.mark.skipif(not FORKS, reason="there is no fork server on this system")
PROGRAM = """
import json, os, random, sys, time, uuid
import uuid_utils
links = [os.readlink(path) for n in os.listdir("/proc/self/fd") if os.path.islink(path := f"/proc/self/fd/{n}")]
print(json.dumps({
    "arguments": sys.argv, "nice": os.nice(0), "leads": os.getsid(0) == os.getpid(), "open": sorted(links),
    "chance": [random.random(), str(uuid.uuid4()), str(uuid_utils.uuid7())],
    "known": "workers.process" in sys.modules, "provider": "langchain_openai" in sys.modules,
    "threads": len(os.listdir(f"/proc/{os.getppid()}/task")), "input": sys.stdin.read(),
}), flush=True)
if "wait" in sys.argv:
    time.sleep(60)
sys.exit(3)
"""
COMMAND = [sys.executable, "-m", "forked_program"]
MODELS = {
    "offline": {},
    "openai": {
        "LLM_TYPE": "openai",
        "LLM_MODEL": "m",
        "OPENAI_API_KEY": "k",
        "CELERY_BROKER_URL": "amqp://127.0.0.1:1//",
    },
    "ollama": {"LLM_TYPE": "ollama", "LLM_MODEL": "m"},
}
Start = Callable[..., ForkServer]


def end(process: Process) -> None:
    process.send_signal(signal.SIGKILL)
    process.wait(timeout=5)
    assert process.stdout is not None
    process.stdout.close()


def said(process: Process) -> dict[str, Any]:
    assert process.stdout is not None
    reported: dict[str, Any] = json.loads(process.stdout.readline())
    return reported


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("program")
    (folder / "forked_program.py").write_text(PROGRAM)
    return folder


@contextmanager
def started(program: Path, **environment: str) -> Iterator[ForkServer]:
    with ExitStack() as ending, pytest.MonkeyPatch.context() as patch:
        for name, value in {"PYTHONPATH": str(program), **environment}.items():
            patch.setenv(name, value)
        server = ForkServer()
        ending.callback(server.kill)
        ending.callback(end, server.spawn())
        eventually(server.is_ready, within_s=30, what="the fork server")
        yield server


@pytest.fixture(scope="module")
def server(program: Path) -> Iterator[ForkServer]:
    """A server for tests that leave it as it was: its imports take seconds."""
    with started(program) as made:
        yield made


@pytest.fixture
def start(program: Path) -> Iterator[Start]:
    with ExitStack() as ending:
        yield lambda **environment: ending.enter_context(started(program, **environment))


@pytest.fixture
def fork(server: ForkServer) -> Iterator[Callable[..., Process]]:
    with ExitStack() as ending:

        def make(*arguments: str, nice: int = 0) -> Process:
            process = server.fork([*COMMAND, *arguments], nice=nice)
            ending.callback(end, process)
            return process

        yield make


@pytest.mark.parametrize("model", MODELS)
def test_a_forked_process_is_of_its_own_and_its_end_is_reported(start: Start, program: Path, model: str) -> None:
    process = start(**MODELS[model]).fork([*COMMAND, "a", "b c"], nice=5)
    reported = said(process)
    assert reported["arguments"] == [str(program / "forked_program.py"), "a", "b c"]
    facts = (reported["nice"] - os.nice(0), reported["leads"], reported["known"], reported["input"])
    assert facts == (5, True, True, "")
    assert reported["threads"] == 1
    assert reported["provider"] is (model == "openai")
    nothing, output, same = (link.partition(":")[0] for link in reported["open"])
    assert (nothing, output, same) == ("/dev/null", "pipe", "pipe")
    assert reported["open"][1] == reported["open"][2], "it has a pipe that is not its output"
    assert process.wait(timeout=5) == 3
    assert process.poll() == 3
    end(process)


def test_two_forked_processes_share_no_random_numbers(fork: Callable[..., Process]) -> None:
    first, second = (said(fork())["chance"] for _ in range(2))
    assert not set(first) & set(second)


def test_a_forked_process_bears_its_name_and_ends_on_a_signal(fork: Callable[..., Process]) -> None:
    process = fork("wait")
    said(process)
    assert "-m forked_program wait" in " ".join(psutil.Process(process.pid).cmdline())
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(timeout=0.05)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=5) == -signal.SIGTERM


def test_a_module_that_is_not_there_says_so_and_ends(server: ForkServer) -> None:
    process = server.fork([sys.executable, "-m", "no_such_module"])
    assert process.stdout is not None
    assert b"No module named no_such_module" in process.stdout.read()
    assert process.wait(timeout=5) == 1
    end(process)


def test_processes_of_a_dead_fork_server_end_and_another_server_forks_again(start: Start) -> None:
    server = start()
    process = server.fork([*COMMAND, "wait"])
    said(process)
    dead = psutil.Process(process.pid).parent()
    assert dead is not None
    dead.kill()
    assert process.wait(timeout=5) == -signal.SIGTERM
    end(process)
    with pytest.raises(CannotLaunch):
        server.fork(COMMAND)
    again = server.spawn()
    eventually(server.is_ready, within_s=30, what="another fork server")
    forked = server.fork(COMMAND)
    assert said(forked)["leads"]
    end(forked)
    end(again)


def test_a_child_that_ends_under_a_stopped_fork_server_is_seen_and_not_waited_for(server: ForkServer) -> None:
    process = server.fork([*COMMAND, "wait"])
    said(process)
    stopped = psutil.Process(process.pid).parent()
    assert stopped is not None
    stopped.suspend()
    psutil.Process(process.pid).kill()
    assert process.wait(timeout=5) == -signal.SIGTERM
    end(process)
    with pytest.raises(CannotLaunch, match="did not answer"):
        server.fork([*COMMAND, "wait"])
    stopped.resume()
    eventually(lambda: not server.is_ready() or not running(stopped.children()), what="the end of what was born late")
    assert server.is_ready()


def test_a_server_that_may_open_no_more_files_says_so_and_goes_on(server: ForkServer) -> None:
    forked = server.fork([*COMMAND, "wait"])
    said(forked)
    parent = psutil.Process(forked.pid).parent()
    assert parent is not None
    used = {int(name) for name in os.listdir(f"/proc/{parent.pid}/fd")}
    usual = parent.rlimit(psutil.RLIMIT_NOFILE)
    parent.rlimit(psutil.RLIMIT_NOFILE, (min(set(range(len(used) + 1)) - used), usual[1]))
    with pytest.raises(CannotLaunch):
        server.fork(COMMAND)
    parent.rlimit(psutil.RLIMIT_NOFILE, usual)
    again = server.fork(COMMAND)
    assert said(again)["leads"]
    assert forked.poll() is None
    for process in (again, forked):
        end(process)


def test_a_server_that_cannot_start_says_why(program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(program))
    (program / "uvicorn.py").write_text("raise ImportError('uvicorn is broken')")
    try:
        server = ForkServer()
        process = server.spawn()
        assert process.stdout is not None
        assert b"uvicorn is broken" in process.stdout.read()
        assert process.wait(timeout=10) == 1
        assert not server.is_ready()
        end(process)
    finally:
        (program / "uvicorn.py").unlink()


def test_a_process_that_is_started_for_itself_stands_back_as_well() -> None:
    process = spawn([sys.executable, "-c", "import os; print(os.nice(0))"], nice=3)
    assert process.stdout is not None
    assert int(process.stdout.readline()) - os.nice(0) == 3
    assert process.wait(timeout=5) == 0
    end(process)


def test_a_forked_process_has_the_files_it_was_given_under_their_numbers(server: ForkServer, program: Path) -> None:
    (program / "file_reader.py").write_text(
        "import os, sys\nprint([os.pread(int(fd), 9, 0).decode() for fd in sys.argv[1:]], flush=True)"
    )
    numbers = []
    for number in range(4, 12):  # among them those that files have on their way
        (program / f"{number}.txt").write_text(f"file {number}")
        numbers.append(os.open(program / f"{number}.txt", os.O_RDONLY))
    numbers.reverse()
    expected = [os.pread(number, 9, 0).decode() for number in numbers]
    command = [sys.executable, "-m", "file_reader", *map(str, numbers)]
    for launch in (server.fork, spawn):
        process = launch(command, pass_fds=numbers)
        assert process.stdout is not None
        assert process.stdout.readline().decode().strip() == str(expected)
        assert process.wait(timeout=5) == 0
        end(process)
    for number in numbers:
        os.close(number)
    plain = server.fork([*COMMAND])
    assert len(said(plain)["open"]) == 3
    end(plain)
