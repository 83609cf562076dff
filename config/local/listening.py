"""The address that ``aiops up`` listens on, and the names by which others reach it."""

from __future__ import annotations

import errno
import socket

import psutil

from config.local.home import Unusable

WILDCARDS = ("0.0.0.0", "::")
LOOPBACK = ("127.0.0.1", "localhost", "::1")


def check_port(host: str, port: int, option: str) -> None:
    """Check that the port is free; raises Unusable with the option that chooses another one."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family[0]) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(family[4])
    except OSError as error:
        reason = "is in use" if error.errno == errno.EADDRINUSE else f"cannot be used ({error.strerror or error})"
        raise Unusable(f"Port {port} of {host} {reason}: free it, or choose another with {option}.") from error


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
