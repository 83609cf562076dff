"""The supervisor restarts what dies, says so, and leaves nothing behind."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from config.local.launching import CannotLaunch, Process, spawn
from config.local.logfile import LogFile
from config.local.supervisor import CannotStart, Child, Supervisor

SLEEPER = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(60)"]
STUBBORN = [
    sys.executable,
    "-c",
    "import signal, time; signal.signal(15, signal.SIG_IGN); print('up', flush=True); time.sleep(60)",
]


def wait_for(condition: Callable[[], bool], within_s: float = 5) -> None:
    until = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.02)


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def supervisor(tmp_path: Path, said: list[str]):
    made = Supervisor(tmp_path, say=said.append)
    yield made
    made.stop(within_s=2)


def test_a_killed_process_is_started_again_and_that_is_said(supervisor: Supervisor, said: list[str]) -> None:
    child = Child("worker", partial(spawn, SLEEPER))
    supervisor.start(child)
    first = child.process
    assert first is not None
    first.send_signal(signal.SIGKILL)
    first.wait()

    def again() -> bool:
        supervisor.restart_dead()
        return child.process is not first

    wait_for(again)
    assert said == ["worker was ended by SIGKILL; restarting it in 0.5 s."]


def test_a_process_that_cannot_start_is_reported_with_its_last_output(supervisor: Supervisor) -> None:
    supervisor.start(Child("web", partial(spawn, [sys.executable, "-c", "raise SystemExit('no such thing')"])))
    with pytest.raises(CannotStart, match=r"web ended with exit code 1(.|\n)*no such thing"):
        supervisor.wait_until(lambda: False, timeout_s=5, what="it")


def test_a_process_that_cannot_be_launched_yet_is_reported_and_retried_later(supervisor: Supervisor) -> None:
    refusals = ["too many processes", "too many processes"]

    def launch() -> Process:
        if refusals:
            raise CannotLaunch(refusals.pop())
        return spawn(SLEEPER)

    child = Child("web", launch)
    supervisor.start(child)
    with pytest.raises(CannotStart, match="web could not be started: too many processes"):
        supervisor.wait_until(lambda: False, timeout_s=5, what="it")

    def runs() -> bool:
        supervisor.restart_dead()
        return "up" in child.last_lines

    wait_for(runs)


def test_the_supervisor_says_once_why_a_process_cannot_come_back(supervisor: Supervisor, said: list[str]) -> None:
    refusals = ["no", "too many processes", "too many processes"]

    def launch() -> Process:
        if 0 < len(refusals) < 3:
            raise CannotLaunch(refusals.pop())
        if refusals:
            refusals.remove("no")
        return spawn(SLEEPER)

    child = Child("web", launch)
    supervisor.start(child)
    first = child.process
    assert first is not None
    first.send_signal(signal.SIGKILL)
    first.wait(timeout=5)

    def again() -> bool:
        supervisor.restart_dead()
        return child.process is not first

    wait_for(again)
    assert said[1:] == ["web cannot be restarted yet: too many processes"]


def test_a_process_that_ignores_the_end_is_killed(supervisor: Supervisor, said: list[str]) -> None:
    child = Child("stubborn", partial(spawn, STUBBORN))
    supervisor.start(child)
    wait_for(lambda: "up" in child.last_lines)
    supervisor.stop(within_s=0.6)
    assert child.process is not None
    assert child.process.wait(timeout=2) == -signal.SIGKILL
    assert said == ["stubborn did not end in time: killing it."]


def test_output_is_kept_in_a_log(supervisor: Supervisor, tmp_path: Path) -> None:
    supervisor.start(Child("talker", partial(spawn, [sys.executable, "-c", "print('hello log')"])))
    log = tmp_path / "talker.log"
    wait_for(lambda: log.exists() and "hello log" in log.read_text())


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_said_once_and_the_process_goes_on(said: list[str]) -> None:
    log = LogFile(Path("/dev/full"), say=said.append)
    for n in range(50):
        log.write(f"line {n}")
    log.close()
    assert len(said) == 1
    assert "No space left on device" in said[0]
