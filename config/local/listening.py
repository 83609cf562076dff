"""The address that ``aiops up`` listens on, and the names by which others reach it."""

from __future__ import annotations

import errno
import socket
from typing import Any

import psutil

from config.local.home import Unusable

WILDCARDS = ("0.0.0.0", "::")
LOOPBACK = ("127.0.0.1", "localhost", "::1")
BACKLOG = 2_048
"""Connections that wait while no web process accepts them."""
ABSENT = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)
"""Errors of an address that this machine does not have: ``localhost`` is also ::1 where IPv6 is off."""


def listen(host: str, port: int, option: str) -> list[socket.socket]:
    """Listen on each address of the host; raises Unusable with the option that chooses another port.

    Connections wait in these sockets while the processes that share them start or restart.
    """
    opened: list[socket.socket] = []
    absent: OSError | None = None
    try:
        for family, address in _addresses(host, port):
            try:
                opened.append(_listen(family, address))
            except OSError as error:
                if error.errno not in ABSENT:
                    raise
                absent = error
        if absent is not None and not opened:
            raise absent
    except OSError as error:
        for made in opened:
            made.close()
        reason = "is in use" if error.errno == errno.EADDRINUSE else f"cannot be used ({error.strerror or error})"
        raise Unusable(f"Port {port} of {host} {reason}: free it, or choose another with {option}.") from error
    return opened


def check_port(host: str, port: int, option: str) -> None:
    """Check that the port is free; raises Unusable with the option that chooses another one."""
    for made in listen(host, port, option):
        made.close()


def _addresses(host: str, port: int) -> list[tuple[int, Any]]:
    """Return family and address of each address of the host, each once; raises OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    return list(dict.fromkeys((family, address) for family, _, _, _, address in found))


def _listen(family: int, address: Any) -> socket.socket:
    made = socket.socket(family)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        made.bind(address)
        made.listen(BACKLOG)
    except OSError:
        made.close()
        raise
    return made


def local(host: str, port: int) -> str:
    """Return the URL for this machine itself."""
    reached = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "::1": "[::1]"}.get(host, host)
    return f"http://{reached}:{port}"


def names(host: str) -> list[str]:
    """Return the names by which others reach ``host``: for a wildcard, all names and addresses of this machine."""
    if host not in WILDCARDS:
        return [f"[{host}]" if ":" in host else host]
    found = [address for addresses in psutil.net_if_addrs().values() for address in addresses]
    v4 = [address.address for address in found if address.family == socket.AF_INET]
    v6 = [f"[{address.address.partition('%')[0]}]" for address in found if address.family == socket.AF_INET6]
    return [socket.gethostname().lower(), *v4, *v6]
