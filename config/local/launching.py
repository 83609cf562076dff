"""Starts processes: as programs, or as forks of the fork server; both have the interface of ``subprocess.Popen``."""

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
from typing import IO, Any

import psutil

from config.local import priority

FORKS = sys.platform == "linux"
"""Linux only: system libraries of macOS do not survive a fork."""
PR_SET_PDEATHSIG = 1
MESSAGE_BYTES = 4_096
READY_S = 60.0
FORK_S = 2.0
"""The supervisor is blocked while it waits for a fork."""
REAPED_S = 1.0
POLL_S = 0.01


class CannotLaunch(Exception):
    """The fork server is not ready or gone; a later attempt may succeed."""


def end_with_parent(by: signal.Signals) -> None:
    """Let the kernel (Linux) signal this process when its parent is gone."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, by)


def spawn(
    command: Sequence[str],
    *,
    nice: int = 0,
    pass_fds: Sequence[int] = (),
    ends_by: signal.Signals = signal.SIGTERM,
) -> subprocess.Popen[bytes]:
    """Start a program in its own session; on Linux the kernel ends it when this process is gone."""

    def settle() -> None:
        priority.lower(nice)
        if FORKS:
            end_with_parent(ends_by)

    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        pass_fds=pass_fds,
        preexec_fn=settle if nice or FORKS else None,
    )


class ForkServer:
    """The client of the fork server; not thread-safe."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._channel: socket.socket | None = None
        self._ready = False
        self._spawned_at = 0.0
        self._last_id = 0
        self._answers: dict[int, dict[str, Any]] = {}
        self._ended: dict[int, int] = {}

    def spawn(self) -> subprocess.Popen[bytes]:
        """Start the server; kill the one before, if it still runs."""
        self.kill()
        self._channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            command = [sys.executable, "-m", "config.local.forkserver", str(theirs.fileno())]
            self._process = spawn(command, pass_fds=(theirs.fileno(),), ends_by=signal.SIGKILL)
        self._spawned_at = time.monotonic()
        return self._process

    def kill(self) -> None:
        """Kill the server; the kernel ends its forks."""
        self._disconnect()
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)

    def is_ready(self) -> bool:
        """Whether it has imported everything and can fork; a server that takes too long is killed."""
        self._receive()
        if not self._ready and self._channel is not None and time.monotonic() - self._spawned_at > READY_S:
            self.kill()
        return self._ready

    def fork(self, command: Sequence[str], *, nice: int = 0, pass_fds: Sequence[int] = ()) -> Forked:
        """Run ``python -m …`` in a fork, which has ``pass_fds`` under the same numbers; raises CannotLaunch."""
        if not self.is_ready() or self._channel is None:
            raise CannotLaunch("The fork server is not ready.")
        self._last_id += 1
        asked = {"id": self._last_id, "command": list(command), "nice": nice, "pass_fds": list(pass_fds)}
        ours, theirs = os.pipe()
        try:
            socket.send_fds(self._channel, [json.dumps(asked).encode()], [theirs, *pass_fds], socket.MSG_DONTWAIT)
            pid = self._wait_for_pid(self._last_id)
        except (OSError, CannotLaunch) as error:
            os.close(ours)
            raise CannotLaunch(str(error)) from error
        finally:
            os.close(theirs)
        return Forked(self, pid, of=self._channel, output=os.fdopen(ours, "rb"))

    def ended(self, pid: int, *, of: socket.socket) -> int | None:
        """Return the reported exit code of a fork; None if none was reported, or another server forked it."""
        self._receive()
        return self._ended.pop(pid, None) if of is self._channel else None

    def _wait_for_pid(self, request_id: int) -> int:
        until = time.monotonic() + FORK_S
        while request_id not in self._answers:
            if not self._ready or time.monotonic() > until:
                raise CannotLaunch("The fork server did not answer.")
            time.sleep(POLL_S)
            self._receive()
        answer = self._answers.pop(request_id)
        if "failed" in answer:
            raise CannotLaunch(answer["failed"])
        return int(answer["born"])

    def _receive(self) -> None:
        """Process all messages that have arrived."""
        while self._channel is not None:
            try:
                message = self._channel.recv(MESSAGE_BYTES, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return
            except ConnectionError:
                message = b""
            if message:
                self._handle(json.loads(message))
            else:
                self._disconnect()

    def _handle(self, message: dict[str, Any]) -> None:
        if "ready" in message:
            self._ready = True
        elif "ended" in message:
            self._ended[message["ended"]] = message["code"]
        elif message["id"] == self._last_id:
            self._answers[self._last_id] = message
        elif "born" in message:  # too late: its caller has given up
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
    """A process that the fork server forked."""

    def __init__(self, server: ForkServer, pid: int, *, of: socket.socket, output: IO[bytes]) -> None:
        self._server = server
        self._of = of
        self._process: psutil.Process | None = None
        with contextlib.suppress(psutil.NoSuchProcess):
            self._process = psutil.Process(pid)  # it also compares creation times, so a reused pid is not mistaken
        self._gone_at: float | None = None
        self.pid = pid
        self.stdout: IO[bytes] | None = output
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Return the exit code; -SIGTERM if the process is gone and its server cannot report how it ended."""
        if self.returncode is None:
            self.returncode = self._server.ended(self.pid, of=self._of)
        if self.returncode is None and not self._is_running():
            self._gone_at = self._gone_at or time.monotonic()
            if time.monotonic() - self._gone_at > REAPED_S:
                self.returncode = -signal.SIGTERM
        return self.returncode

    def wait(self, timeout: float) -> int:
        until = time.monotonic() + timeout
        while (code := self.poll()) is None:
            if time.monotonic() > until:
                raise subprocess.TimeoutExpired(f"process {self.pid}", timeout)
            time.sleep(POLL_S)
        return code

    def send_signal(self, sig: int) -> None:
        if self.poll() is None and self._is_running():
            os.kill(self.pid, sig)

    def _is_running(self) -> bool:
        try:
            process = self._process
            return process is not None and process.is_running() and process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False


Process = subprocess.Popen[bytes] | Forked
