"""Hosts of the tests' own: network namespaces on one bridge, each with an address, which can be cut off and healed."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence

from tests.conftest import missing

BRIDGE = "aiops-br"
NETWORK = "10.213.77"
OURS = f"{NETWORK}.1"
"""The address of the tests themselves on that bridge."""


def _ip(*arguments: str, check: bool = True) -> None:
    subprocess.run(["ip", *arguments], check=check, capture_output=True)


class Hosts:
    """A network of namespaces; needs root and iproute2."""

    def __init__(self, *names: str) -> None:
        if os.geteuid() != 0 or shutil.which("ip") is None:
            missing("root with iproute2, which can make network namespaces")
        self.addresses = {name: f"{NETWORK}.{n}" for n, name in enumerate(names, 2)}

    def open(self) -> None:
        self.close()
        _ip("link", "add", BRIDGE, "type", "bridge")
        _ip("addr", "add", f"{OURS}/24", "dev", BRIDGE)
        _ip("link", "set", BRIDGE, "up")
        for name, address in self.addresses.items():
            _ip("netns", "add", self._namespace(name))
            _ip(
                "link", "add", self._cable(name), "type", "veth", "peer", "name", "eth0", "netns", self._namespace(name)
            )
            _ip("link", "set", self._cable(name), "master", BRIDGE, "up")
            for words in (f"addr add {address}/24 dev eth0", "link set eth0 up", "link set lo up"):
                _ip("-n", self._namespace(name), *words.split())

    def close(self) -> None:
        for name in self.addresses:
            _ip("netns", "del", self._namespace(name), check=False)
            _ip("link", "del", self._cable(name), check=False)
        _ip("link", "del", BRIDGE, check=False)

    def inside(self, name: str) -> Sequence[str]:
        """Return what a command begins with to run on that host."""
        return ["ip", "netns", "exec", self._namespace(name)]

    def cut(self, name: str) -> None:
        """Pull the host's cable."""
        _ip("link", "set", self._cable(name), "down")

    def heal(self, name: str) -> None:
        _ip("link", "set", self._cable(name), "up")

    @staticmethod
    def _namespace(name: str) -> str:
        return f"aiops-{name}"

    @staticmethod
    def _cable(name: str) -> str:
        return f"aiops-{name}"[:15]
