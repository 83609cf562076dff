"""Hosts of the tests' own: network namespaces on one bridge, each with an address, which can be cut off and healed."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence

from tests.conftest import missing, program

NETWORKS = range(1, 255)
"""Two suites at once have one each: who can make the bridge of that number has it."""


class Hosts:
    """A network of namespaces; needs root and iproute2. ``address`` is that of the tests themselves on it."""

    def __init__(self, *hosts: str) -> None:
        self._program = program("ip", package="iproute2")
        if os.geteuid() != 0:
            missing("root, which can make network namespaces")
        self._hosts = hosts
        self._network = 0
        self.address = ""
        self.addresses: dict[str, str] = {}

    def open(self) -> None:
        self._network = next((n for n in NETWORKS if self._ip("link", "add", _bridge(n), "type", "bridge")), 0)
        assert self._network, "no bridge can be made"
        network = f"10.213.{self._network}"
        self.address = f"{network}.1"
        self.addresses = {host: f"{network}.{n}" for n, host in enumerate(self._hosts, 2)}
        self._must("addr", "add", f"{self.address}/24", "dev", _bridge(self._network))
        self._must("link", "set", _bridge(self._network), "up")
        for host, address in self.addresses.items():
            namespace, cable = self._namespace(host), self._cable(host)
            self._must("netns", "add", namespace)
            self._must("link", "add", cable, "type", "veth", "peer", "name", "eth0", "netns", namespace)
            self._must("link", "set", cable, "master", _bridge(self._network), "up")
            for words in (f"addr add {address}/24 dev eth0", "link set eth0 up", "link set lo up"):
                self._must("-n", namespace, *words.split())

    def close(self) -> None:
        for host in self.addresses:
            self._ip("netns", "del", self._namespace(host))
            self._ip("link", "del", self._cable(host))
        self._ip("link", "del", _bridge(self._network))

    def inside(self, host: str) -> Sequence[str]:
        """Return what a command begins with to run on that host."""
        return [self._program, "netns", "exec", self._namespace(host)]

    def cut(self, host: str) -> None:
        """Pull the host's cable."""
        self._must("link", "set", self._cable(host), "down")

    def heal(self, host: str) -> None:
        self._must("link", "set", self._cable(host), "up")

    def _namespace(self, host: str) -> str:
        return names(self._network, host)[0]

    def _cable(self, host: str) -> str:
        return names(self._network, host)[1]

    def _ip(self, *arguments: str) -> bool:
        return subprocess.run([self._program, *arguments], capture_output=True).returncode == 0

    def _must(self, *arguments: str) -> None:
        subprocess.run([self._program, *arguments], check=True, capture_output=True)


def names(network: int, host: str) -> tuple[str, str]:
    """Return the names of a host's namespace and of its cable; the kernel allows a cable's 15 characters."""
    return f"aiops{network}-{host}", f"ai{network}-{host}"


def _bridge(network: int) -> str:
    return f"aiops-br{network}"
