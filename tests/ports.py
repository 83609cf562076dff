"""TCP ports for servers that tests start."""

from __future__ import annotations

import random
import socket
from pathlib import Path

LOWEST = 15_000
EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")
_random = random.SystemRandom()


def free_port(host: str = "127.0.0.1") -> int:
    """Return a port that nobody listens on.

    It lies below the range that the kernel gives to outgoing connections: the thousands that some tests open cannot
    take it before the server listens, and two suites at once draw the same one out of thousands only by chance.
    """
    end = int(EPHEMERAL.read_text().split()[0]) if EPHEMERAL.exists() else 32_768
    while True:
        port = _random.randrange(LOWEST, max(end, LOWEST + 1_000))
        with socket.socket() as probe:
            try:
                probe.bind((host, port))
            except OSError:
                continue
            return port
