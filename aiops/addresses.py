"""Where we may connect to when somebody else says where: by https to public addresses, unless a network is allowed.

A name is looked up once, and the connection goes to what was found: a name that changes meanwhile leads nowhere else.
"""

from __future__ import annotations

import socket
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import urlsplit

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
NAT64 = ip_network("64:ff9b::/96")
"""Carries an IPv4 address in its last 32 bits (RFC 6052)."""
LOCAL_NAT64 = ip_network("64:ff9b:1::/48")
"""RFC 8215; Python before 3.11.10 takes it for public."""
PORTS = {"https": 443, "http": 80}
MAX_URL_CHARACTERS = 2_000


class BadAddress(ValueError):
    """Nothing may be sent there; the message says why."""


@dataclass(frozen=True, slots=True)
class Target:
    """A URL whose host was looked up: connect to ``address``, and to no other."""

    scheme: str
    host: str
    port: int
    path: str
    address: Address

    @property
    def pinned_url(self) -> str:
        """The URL with the address in the host's place."""
        host = f"[{self.address}]" if self.address.version == 6 else str(self.address)
        return f"{self.scheme}://{host}:{self.port}{self.path}"

    @property
    def host_header(self) -> str:
        """What the receiver is asked as."""
        name = f"[{self.host}]" if ":" in self.host else self.host
        return name if self.port == PORTS[self.scheme] else f"{name}:{self.port}"


def check(url: str) -> tuple[str, str, int, str]:
    """Return (scheme, host, port, path and query) of a URL that could be one of a receiver; raises BadAddress."""
    if len(url) > MAX_URL_CHARACTERS or not url.isascii() or not url.isprintable() or " " in url:
        raise BadAddress("It is no URL: at most 2,000 ASCII characters, without spaces.")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise BadAddress(f"It is no URL: {error}.") from error
    if parts.scheme not in PORTS or not parts.hostname:
        raise BadAddress("It must begin with https:// and name a host.")
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise BadAddress("It must have neither a user nor a fragment.")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return parts.scheme, parts.hostname, port or PORTS[parts.scheme], path


def resolve(url: str, *, allowed: Sequence[Network], cure: str) -> Target:
    """Look a URL's host up; raises BadAddress when an address of it may not be reached, OSError when it has none.

    ``cure`` says what would allow it.
    """
    scheme, host, port, path = check(url)
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError:
        raise BadAddress(f"{host[:80]} is no name of a host.") from None
    addresses = [ip_address(str(entry[4][0]).partition("%")[0]) for entry in found]
    for address in addresses:
        plain = _plain(address)
        listed = any(plain in network for network in allowed if network.version == plain.version)
        if not listed and (not plain.is_global or plain in LOCAL_NAT64):
            raise BadAddress(f"{host} is {address}, which is not public ({cure}).")
        if not listed and scheme != "https":
            raise BadAddress(f"It must begin with https:// ({cure}).")
        if plain.is_multicast or plain.is_unspecified:
            raise BadAddress(f"{host} is {address}, which is no host.")
    return Target(scheme, host, port, path, addresses[0])


def _plain(address: Address) -> Address:
    """Return the IPv4 address that an IPv6 one carries, in any of the ways there are, or the address."""
    if isinstance(address, IPv6Address):
        if address in NAT64:
            return IPv4Address(int(address) & 0xFFFF_FFFF)
        teredo = address.teredo
        return address.ipv4_mapped or address.sixtofour or (teredo[1] if teredo else None) or address
    return address
