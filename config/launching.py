"""How processes are started: as programs of their own, or forked by the fork server; each tells how it ended."""

from __future__ import annotations

import contextlib
import ctypes
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

FORKS = sys.platform == "linux"
"""Elsewhere there is no fork server: system libraries of macOS do not outlive a fork."""
PR_SET_PDEATHSIG = 1
MESSAGE_BYTES = 4_096
READY_S = 60.0
BORN_S = 2.0
"""The supervisor looks at nothing else meanwhile."""
REAPED_S = 1.0
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


def end_with_parent(by: signal.Signals) -> None:
    """Have the kernel (Linux's) signal this process when the one that made it is gone."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, by)


def spawn(
    command: Sequence[str],
    *,
    nice: int = 0,
    pass_fds: Sequence[int] = (),
    ends_by: signal.Signals = signal.SIGTERM,
) -> Process:
    """Start a program in a session of its own; on Linux the kernel ends it when this process is gone."""

    def settle() -> None:
        os.nice(nice)
        if FORKS:
            end_with_parent(ends_by)

    made: Process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        pass_fds=pass_fds,
        preexec_fn=settle if nice or FORKS else None,
    )
    return made


class ForkServer:
    """Our side of the fork server; used from one thread."""

    def __init__(self) -> None:
        self._process: Process | None = None
        self._channel: socket.socket | None = None
        self._ready = False
        self._spawned_at = 0.0
        self._asked = 0
        self._answers: dict[int, dict[str, Any]] = {}
        self._ended: dict[int, int] = {}

    def spawn(self) -> Process:
        """Start the server, or another one when it has ended."""
        self.give_up()
        self._channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            command = [sys.executable, "-m", "config.forkserver", str(theirs.fileno())]
            self._process = spawn(command, pass_fds=(theirs.fileno(),), ends_by=signal.SIGKILL)
        self._spawned_at = time.monotonic()
        return self._process

    def give_up(self) -> None:
        """Kill the server; the kernel ends what it forked."""
        self._disconnect()
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)

    def is_ready(self) -> bool:
        """Whether it has imported everything and can fork; one that takes too long is given up."""
        self._look()
        if not self._ready and self._channel is not None and time.monotonic() - self._spawned_at > READY_S:
            self.give_up()
        return self._ready

    def fork(self, command: Sequence[str], *, nice: int = 0) -> Process:
        """Have ``python -m …`` forked; raises CannotLaunch."""
        if not self.is_ready() or self._channel is None:
            raise CannotLaunch("The fork server is not ready.")
        self._asked += 1
        request = json.dumps({"id": self._asked, "command": list(command), "nice": nice}).encode()
        ours, theirs = os.pipe()
        try:
            socket.send_fds(self._channel, [request], [theirs], socket.MSG_DONTWAIT)
            pid = self._born(self._asked)
        except (OSError, CannotLaunch) as error:
            os.close(ours)
            raise CannotLaunch(str(error)) from error
        finally:
            os.close(theirs)
        return Forked(self, pid, of=self._channel, output=os.fdopen(ours, "rb"))

    def ended(self, pid: int, *, of: socket.socket) -> int | None:
        """Return how a process was told to have ended; None when nothing was told, or its server is another one."""
        self._look()
        return self._ended.pop(pid, None) if of is self._channel else None

    def _born(self, asked: int) -> int:
        until = time.monotonic() + BORN_S
        while asked not in self._answers:
            if not self._ready or time.monotonic() > until:
                raise CannotLaunch("The fork server did not answer.")
            time.sleep(LOOK_S)
            self._look()
        answer = self._answers.pop(asked)
        if "failed" in answer:
            raise CannotLaunch(answer["failed"])
        pid: int = answer["born"]
        return pid

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
                self._disconnect()

    def _hear(self, message: dict[str, Any]) -> None:
        if "ready" in message:
            self._ready = True
        elif "ended" in message:
            self._ended[message["ended"]] = message["code"]
        elif message["id"] == self._asked:
            self._answers[self._asked] = message
        elif "born" in message:  # too late: nobody waits for it any more
            with contextlib.suppress(ProcessLookupError):
                os.kill(message["born"], signal.SIGKILL)

    def _disconnect(self) -> None:
        self._ready = False
        self._answers.clear()
        self._ended.clear()
        if self._channel is not None:
            self._channel.close()
            self._channel = None


class Forked:
    """One process that the fork server forked."""

    def __init__(self, server: ForkServer, pid: int, *, of: socket.socket, output: IO[bytes]) -> None:
        self._server = server
        self._of = of
        self._known = _known(pid)
        self._gone_at: float | None = None
        self.pid = pid
        self.stdout: IO[bytes] | None = output
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Return how it ended, as the protocol says; SIGTERM when its server is gone or stopped and cannot tell."""
        if self.returncode is None:
            self.returncode = self._server.ended(self.pid, of=self._of)
        if self.returncode is None and not self._runs():
            self._gone_at = self._gone_at or time.monotonic()
            if time.monotonic() - self._gone_at > REAPED_S:
                self.returncode = -signal.SIGTERM
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
        if self.poll() is None and self._runs():
            os.kill(self.pid, sig)

    def _runs(self) -> bool:
        try:
            known = self._known
            return known is not None and known.is_running() and known.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False


def _known(pid: int) -> psutil.Process | None:
    """Return the process, which is known again by its time of creation, or None when it has ended already."""
    try:
        return psutil.Process(pid)
    except psutil.NoSuchProcess:
        return None
