"""How processes are started: as programs of their own, or forked by the fork server; each tells how it ended."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import IO, Any, Protocol

import psutil

from config.forkserver import end_with_parent

FORKS = sys.platform == "linux"
"""Elsewhere there is no fork server: system libraries of macOS do not outlive a fork."""
MESSAGE_BYTES = 4_096
BORN_S = 10.0
LOOK_S = 0.01


class CannotLaunch(Exception):
    """The fork server is not ready, or is gone; it may be there again soon."""


class Process(Protocol):
    """What the supervisor knows of a process; ``subprocess.Popen`` has it too."""

    pid: int
    stdout: IO[bytes] | None
    returncode: int | None

    def poll(self) -> int | None:
        """Return the exit code, the negative number of the signal that ended it, or None while it runs."""

    def wait(self, timeout: float) -> int:
        """Wait so many seconds for its end; raises ``subprocess.TimeoutExpired``."""

    def send_signal(self, sig: int) -> None:
        """Signal it, when it has not ended."""


def spawn(command: Sequence[str], *, nice: int = 0, pass_fds: Sequence[int] = ()) -> Process:
    """Start a program in a session of its own, which ends with this process."""

    def settle() -> None:
        if nice:
            os.nice(nice)
        if sys.platform == "linux":
            end_with_parent()

    made: Process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        pass_fds=pass_fds,
        preexec_fn=settle,
    )
    return made


class ForkServer:
    """Our side of the fork server; used from one thread."""

    def __init__(self) -> None:
        self._process: Process | None = None
        self._channel: socket.socket | None = None
        self._born: list[int] = []
        self._ended: dict[int, int] = {}
        self._ready = False

    def spawn(self) -> Process:
        """Start the server, or another one when it has ended."""
        self._close()
        self._channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            command = [sys.executable, "-m", "config.forkserver", str(theirs.fileno())]
            self._process = spawn(command, pass_fds=(theirs.fileno(),))
        return self._process

    def fork(self, command: Sequence[str], *, nice: int = 0) -> Process:
        """Have ``python -m …`` forked; raises CannotLaunch."""
        if not self.is_ready() or self._channel is None:
            raise CannotLaunch
        ours, theirs = os.pipe()
        try:
            request = json.dumps({"command": list(command), "nice": nice}).encode()
            socket.send_fds(self._channel, [request], [theirs])
            return Forked(self, self._await_birth(), of=self._channel, output=os.fdopen(ours, "rb"))
        except (OSError, CannotLaunch) as error:
            os.close(ours)
            raise CannotLaunch from error
        finally:
            os.close(theirs)

    def is_ready(self) -> bool:
        """Whether it has imported everything and can fork."""
        self._look()
        return self._ready

    def ended(self, pid: int, *, of: socket.socket) -> int | None:
        """Return how a process ended, or None while it runs; those of a server that is gone end by SIGTERM."""
        self._look()
        if pid in self._ended:
            return self._ended.pop(pid)
        return None if of is self._channel or _runs(pid) else -signal.SIGTERM

    def _await_birth(self) -> int:
        until = time.monotonic() + BORN_S
        while not self._born:
            if time.monotonic() > until:  # it may be born yet, and nobody would know whose it is
                self._close()
            if not self._ready:
                raise CannotLaunch
            time.sleep(LOOK_S)
            self._look()
        return self._born.pop()

    def _look(self) -> None:
        """Hear what it said since the last look."""
        while self._channel is not None:
            try:
                said = self._channel.recv(MESSAGE_BYTES, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return
            except ConnectionError:
                said = b""
            if said:
                self._hear(json.loads(said))
            else:
                self._close()

    def _hear(self, message: dict[str, Any]) -> None:
        if "ready" in message:
            self._ready = True
        elif "born" in message:
            self._born.append(message["born"])
        else:
            self._ended[message["ended"]] = message["code"]

    def _close(self) -> None:
        """Give a server up, and with it what it forked."""
        self._ready = False
        self._born.clear()
        if self._channel is not None:
            self._channel.close()
            self._channel = None
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process = None


class Forked:
    """One process that the fork server forked."""

    def __init__(self, server: ForkServer, pid: int, *, of: socket.socket, output: IO[bytes]) -> None:
        self._server = server
        self._of = of
        self.pid = pid
        self.stdout: IO[bytes] | None = output
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Return how it ended, as the protocol says."""
        if self.returncode is None:
            self.returncode = self._server.ended(self.pid, of=self._of)
        return self.returncode

    def wait(self, timeout: float) -> int:
        """Wait for its end."""
        until = time.monotonic() + timeout
        while (code := self.poll()) is None:
            if time.monotonic() > until:
                raise subprocess.TimeoutExpired(f"process {self.pid}", timeout)
            time.sleep(LOOK_S)
        return code

    def send_signal(self, sig: int) -> None:
        """Signal it, when it has not ended."""
        if self.poll() is None:
            os.kill(self.pid, sig)


def _runs(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
