"""The supervisor: starts processes, logs their output, restarts those that die, and stops all in order."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from config.local.launching import CannotLaunch, Process
from config.local.logfile import LogFile

LAST_LINES = 12
FIRST_BACKOFF_S = 0.5
MAX_BACKOFF_S = 30.0
HEALTHY_S = 5.0
"""A process that ran this long has started: its back-off is reset."""

Say = Callable[[str], None]


class CannotStart(Exception):
    """A process ended before everything was ready; the message has its last output."""


@dataclass(slots=True)
class Child:
    """A supervised process, and the function that launches it."""

    name: str
    launch: Callable[[], Process]
    process: Process | None = None
    follower: threading.Thread | None = None
    started_at: float = 0.0
    restart_at: float | None = None
    backoff_s: float = FIRST_BACKOFF_S
    last_lines: deque[str] = field(default_factory=lambda: deque(maxlen=LAST_LINES))


class Supervisor:
    """Supervises the children, from one thread that must outlive them: the kernel ends them with it."""

    def __init__(self, logs: Path, *, say: Say) -> None:
        self._logs = logs
        self._say = say
        self.children: list[Child] = []

    def start(self, child: Child) -> None:
        """Start a process and log its output."""
        if child not in self.children:
            self.children.append(child)
        child.started_at = time.monotonic()
        child.restart_at = None
        try:
            child.process = child.launch()
        except CannotLaunch as error:
            if child.process is not None and str(error) not in child.last_lines:
                self._say(f"{child.name} cannot be restarted yet: {error}")
            child.last_lines.append(str(error))
            child.restart_at = child.started_at + FIRST_BACKOFF_S
            return
        assert child.process.stdout is not None
        child.follower = threading.Thread(target=self._follow, args=(child, child.process.stdout), daemon=True)
        child.follower.start()

    def wait_until(self, ready: Callable[[], bool], *, timeout_s: float, what: str) -> None:
        """Wait for readiness; raises CannotStart if a process ends first or the time is up."""
        until = time.monotonic() + timeout_s
        while not ready():
            for child in self.children:
                if child.process is None:
                    raise CannotStart(f"{child.name} could not be started: {child.last_lines[-1]}")
                if child.process.poll() is not None:
                    raise CannotStart(f"{child.name} {_how(child)}. Its last output:\n{self._last(child)}")
            if time.monotonic() > until:
                raise CannotStart(f"{what} was not ready within {timeout_s:g} s: see the logs in {self._logs}.")
            time.sleep(0.1)

    def restart_dead(self) -> None:
        """Restart and report processes that died, with back-off; call about every half second."""
        now = time.monotonic()
        for child in self.children:
            if child.restart_at is not None and now >= child.restart_at:
                self.start(child)
            elif child.restart_at is None and child.process is not None and child.process.poll() is not None:
                if now - child.started_at > HEALTHY_S:
                    child.backoff_s = FIRST_BACKOFF_S
                child.restart_at = now + child.backoff_s
                self._say(f"{child.name} {_how(child)}; restarting it in {child.backoff_s:g} s.")
                child.backoff_s = min(child.backoff_s * 2, MAX_BACKOFF_S)

    def stop(self, *, within_s: float, last: Sequence[str] = ()) -> None:
        """Stop all processes, those named ``last`` after the others; kill those that do not end in time."""
        until = time.monotonic() + within_s
        first = [c for c in self.children if c.name not in last]
        # The first group gets 80 % of the time, so that the last processes can still end cleanly.
        for group, share in ((first, 0.8), ([c for c in self.children if c.name in last], 1.0)):
            running = [c for c in group if c.process is not None and c.process.poll() is None]
            for child in running:
                _signal(child, signal.SIGTERM)
            limit = until - within_s * (1 - share)
            for child in running:
                try:
                    assert child.process is not None
                    child.process.wait(timeout=max(0.1, limit - time.monotonic()))
                except subprocess.TimeoutExpired:
                    self._say(f"{child.name} did not end in time: killing it.")
                    _signal(child, signal.SIGKILL)
        for child in self.children:
            if child.follower is not None:
                child.follower.join(timeout=1)

    def _last(self, child: Child) -> str:
        time.sleep(0.2)  # its output is still being read
        return "\n".join(f"    {line}" for line in child.last_lines) or "    (none)"

    def _follow(self, child: Child, output: IO[bytes]) -> None:
        log = LogFile(self._logs / f"{child.name}.log", say=self._say)
        with output:
            for raw in output:
                line = raw.decode(errors="replace").rstrip("\n")
                child.last_lines.append(line[:500])
                log.write(line)
        log.close()


def _signal(child: Child, number: signal.Signals) -> None:
    """Signal a child; SIGKILL goes to its whole process group."""
    assert child.process is not None
    with contextlib.suppress(ProcessLookupError):
        if number is signal.SIGKILL:
            os.killpg(child.process.pid, number)
        else:
            child.process.send_signal(number)


def _how(child: Child) -> str:
    assert child.process is not None
    assert child.process.returncode is not None
    code = child.process.returncode
    return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
