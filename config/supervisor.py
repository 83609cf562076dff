"""Starts processes, keeps their output in rotated logs, restarts those that die, and ends all of them in order."""

from __future__ import annotations

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

from config.launching import CannotLaunch, Process
from config.logfile import LogFile

LAST_WORDS = 12
FIRST_BACKOFF_S = 0.5
MAX_BACKOFF_S = 30.0
HEALTHY_S = 5.0
"""A process that lived this long did start: it begins again with the shortest back-off."""

Say = Callable[[str], None]


class CannotStart(Exception):
    """A process ended before everything was ready; the message has its last words."""


@dataclass(slots=True)
class Child:
    """One supervised process, and what launches it."""

    name: str
    launch: Callable[[], Process]
    process: Process | None = None
    follower: threading.Thread | None = None
    started_at: float = 0.0
    restart_at: float | None = None
    backoff_s: float = FIRST_BACKOFF_S
    words: deque[str] = field(default_factory=lambda: deque(maxlen=LAST_WORDS))


class Supervisor:
    """Holds the children; used from one thread, which must outlive them (the kernel ends them with it)."""

    def __init__(self, logs: Path, *, say: Say) -> None:
        self._logs = logs
        self._say = say
        self.children: list[Child] = []

    def start(self, child: Child) -> None:
        """Start a process and follow its output."""
        if child not in self.children:
            self.children.append(child)
        child.started_at = time.monotonic()
        child.restart_at = None
        try:
            child.process = child.launch()
        except CannotLaunch as error:
            if child.process is not None and str(error) not in child.words:
                self._say(f"{child.name} cannot be started again yet: {error}")
            child.words.append(str(error))
            child.restart_at = child.started_at + FIRST_BACKOFF_S
            return
        assert child.process.stdout is not None
        child.follower = threading.Thread(target=self._follow, args=(child, child.process.stdout), daemon=True)
        child.follower.start()

    def wait_until(self, ready: Callable[[], bool], *, timeout_s: float, what: str) -> None:
        """Wait for readiness; raises CannotStart when a process ends first or the time is up."""
        until = time.monotonic() + timeout_s
        while not ready():
            for child in self.children:
                if child.process is None:
                    raise CannotStart(f"{child.name} could not be started: {child.words[-1]}")
                if child.process.poll() is not None:
                    raise CannotStart(
                        f"{child.name} {_how(child.process.returncode)}. Its last words:\n{self._last(child)}"
                    )
            if time.monotonic() > until:
                raise CannotStart(f"{what} was not ready within {timeout_s:g} s: see the logs in {self._logs}.")
            time.sleep(0.1)

    def look(self) -> None:
        """Restart what has died, with back-off, saying so; call about every half second."""
        now = time.monotonic()
        for child in self.children:
            if child.restart_at is not None and now >= child.restart_at:
                self.start(child)
            elif child.restart_at is None and child.process is not None and child.process.poll() is not None:
                if now - child.started_at > HEALTHY_S:
                    child.backoff_s = FIRST_BACKOFF_S
                child.restart_at = now + child.backoff_s
                self._say(f"{child.name} {_how(child.process.returncode)}; starting it again in {child.backoff_s:g} s.")
                child.backoff_s = min(child.backoff_s * 2, MAX_BACKOFF_S)

    def stop(self, *, within_s: float, last: Sequence[str] = ()) -> None:
        """End all processes, those named ``last`` after the others; what is still there at the end is killed."""
        until = time.monotonic() + within_s
        first = [c for c in self.children if c.name not in last]
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
                    self._say(f"{child.name} did not end in time and is killed.")
                    _signal(child, signal.SIGKILL)
        for child in self.children:
            if child.follower is not None:
                child.follower.join(timeout=1)

    def _last(self, child: Child) -> str:
        time.sleep(0.2)  # its output is still being read
        return "\n".join(f"    {line}" for line in child.words) or "    (none)"

    def _follow(self, child: Child, output: IO[bytes]) -> None:
        log = LogFile(self._logs / f"{child.name}.log", say=self._say)
        with output:
            for raw in output:
                line = raw.decode(errors="replace").rstrip("\n")
                child.words.append(line[:500])
                log.write(line)
        log.close()


def _signal(child: Child, number: signal.Signals) -> None:
    """Signal a child and whatever it started (its session's group)."""
    assert child.process is not None
    try:
        if number is signal.SIGKILL:
            os.killpg(child.process.pid, number)
        else:
            child.process.send_signal(number)
    except ProcessLookupError:
        return


def _how(code: int | None) -> str:
    assert code is not None
    return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
