"""A Docker Engine of the tests' own, in a network namespace, so that it changes nothing of the machine's network.

It reaches the outside through one pair of interfaces and one rule (images install packages); what it publishes is
published inside the namespace, which the tests enter.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.conftest import missing, program

NETWORKS = range(1, 255)
CLONE_NEWNET = 0x40000000
START_S = 60
STOP_S = 60


class Engine:
    """Needs root, iproute2, iptables and Debian's docker.io."""

    def __init__(self) -> None:
        self._programs = {
            name: program(name, package=package)
            for name, package in (
                ("dockerd", "docker.io"),
                ("docker", "docker.io"),
                ("ip", "iproute2"),
                ("iptables", "iptables"),
            )
        }
        if os.geteuid() != 0:
            missing("root, which can start a Docker Engine of its own")
        self.folder = Path(tempfile.mkdtemp(prefix="aiops-engine-", dir="/var/tmp"))
        self._number = 0
        self._daemon: subprocess.Popen[bytes] | None = None

    @property
    def environment(self) -> dict[str, str]:
        """What leads Docker's clients to this engine."""
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        return {**kept, "DOCKER_HOST": f"unix://{self.folder}/docker.sock", "DOCKER_BUILDKIT": "0"}

    def start(self) -> None:
        """Make the namespace and start the engine in it; a machine that cannot is named with the engine's reason."""
        self._number = next((n for n in NETWORKS if self._ip("netns", "add", self._namespace(n))), 0)
        assert self._number, "no network namespace can be made"
        outside, inside = f"10.214.{self._number}.1", f"10.214.{self._number}.2"
        for words in (
            f"link add {self._cable} type veth peer name eth0 netns {self.namespace}",
            f"addr add {outside}/30 dev {self._cable}",
            f"link set {self._cable} up",
            f"-n {self.namespace} addr add {inside}/30 dev eth0",
            f"-n {self.namespace} link set eth0 up",
            f"-n {self.namespace} link set lo up",
            f"-n {self.namespace} route add default via {outside}",
        ):
            assert self._ip(*words.split()), words
        Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
        subprocess.run([self._programs["iptables"], "-t", "nat", "-A", *self._rule], check=True)
        log = self.folder / "log"
        with log.open("wb") as file, self.entered():
            self._daemon = subprocess.Popen(
                [
                    self._programs["dockerd"],
                    *("--data-root", str(self.folder / "data")),
                    *("--exec-root", str(self.folder / "exec")),
                    *("--pidfile", str(self.folder / "pid")),
                    *("--host", self.environment["DOCKER_HOST"]),
                ],
                stdout=file,
                stderr=file,
                start_new_session=True,
            )
        until = time.monotonic() + START_S
        while self.docker("version", check=False).returncode:
            if self._daemon.poll() is not None or time.monotonic() > until:
                said = log.read_text(errors="replace").strip().splitlines()[-1:]
                missing(f"Docker Engine that starts here: {' '.join(said)}")
            time.sleep(0.5)

    def stop(self) -> None:
        """Remove containers, engine, namespace and files."""
        if self._daemon is not None and self._daemon.poll() is None:
            held = self.docker("ps", "--all", "--quiet", check=False).stdout.split()
            if held:
                self.docker("rm", "--force", *held, check=False)
            self._daemon.terminate()
            try:
                self._daemon.wait(timeout=STOP_S)
            except subprocess.TimeoutExpired:
                self._daemon.kill()
                self._daemon.wait()
        subprocess.run([self._programs["iptables"], "-t", "nat", "-D", *self._rule], check=False)
        self._ip("link", "del", self._cable)
        self._ip("netns", "del", self.namespace)
        shutil.rmtree(self.folder, ignore_errors=True)

    def docker(self, *arguments: str, check: bool = True, **options: object) -> subprocess.CompletedProcess[str]:
        """Run one of Docker's commands on this engine."""
        command = [self._programs["docker"], *arguments]
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, **options)  # type: ignore[call-overload]
        assert not check or done.returncode == 0, f"{' '.join(command)}: {done.stdout[-2_000:]}{done.stderr[-2_000:]}"
        return done  # type: ignore[no-any-return]

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Have this thread, and the threads and processes that it starts, in the engine's namespace."""
        with open("/proc/thread-self/ns/net") as before, open(f"/run/netns/{self.namespace}") as ours:
            _enter(ours.fileno())
            try:
                yield
            finally:
                _enter(before.fileno())

    @property
    def namespace(self) -> str:
        return self._namespace(self._number)

    @staticmethod
    def _namespace(number: int) -> str:
        return f"aiops-engine-{number}"

    @property
    def _cable(self) -> str:
        return f"aiops-eng-{self._number}"

    @property
    def _rule(self) -> list[str]:
        return ["POSTROUTING", "-s", f"10.214.{self._number}.0/30", "-j", "MASQUERADE"]

    def _ip(self, *words: str) -> bool:
        return subprocess.run([self._programs["ip"], *words], capture_output=True).returncode == 0


def _enter(namespace: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(namespace, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")
