"""Rules for outbound connections to URLs from users and operators: allowed addresses, and one bounded GET.

Only https to public addresses is allowed, unless a network is listed. A host name is looked up once and the connection
is pinned to the address found, so a later DNS change cannot redirect it (DNS rebinding).

Public addresses follow IANA's special-purpose address registries (iana-ipv4-special-registry and
iana-ipv6-special-registry as of April 2024, with RFC 9637 of August 2024) and, for IPv6, IANA's allocation of
2000::/3 as the only global unicast space (RFC 4291, section 4).
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any
from urllib.parse import urlsplit

import httpx

from aiops import lookups

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
UrlParts = tuple[str, str, int, str]
"""Scheme, host, port, and path with query."""
NAT64 = ip_network("64:ff9b::/96")
"""Carries an IPv4 address in its last 32 bits (RFC 6052)."""
GLOBAL_UNICAST = ip_network("2000::/3")
SPECIAL = tuple(
    map(
        ip_network,
        (
            "192.0.0.0/24",  # protocol assignments (RFC 6890)
            "192.88.99.0/24",  # relays of 6to4 (RFC 7526)
            "2001::/23",  # protocol assignments (RFC 2928), among them Teredo, which carries an IPv4 address
            "2001:db8::/32",  # documentation (RFC 3849)
            "2002::/16",  # 6to4, which carries an IPv4 address (RFC 3056)
            "3fff::/20",  # documentation (RFC 9637)
        ),
    )
)
"""Inside 2000::/3 or public IPv4 space, but not public; Python's ``is_global`` differs from version to version."""
LOOKUP_S = 5.0
PORTS = {"https": 443, "http": 80}
MAX_URL_CHARACTERS = 2_000


class BadAddress(ValueError):
    """This URL is not allowed; the message says why."""


@dataclass(frozen=True, slots=True)
class Target:
    """A URL with the address that its host resolved to; connect to ``address`` only."""

    scheme: str
    host: str
    port: int
    path: str
    address: Address

    @property
    def pinned_url(self) -> str:
        """The URL with the address in place of the host name."""
        host = f"[{self.address}]" if self.address.version == 6 else str(self.address)
        return f"{self.scheme}://{host}:{self.port}{self.path}"

    @property
    def host_header(self) -> str:
        """The value of the Host header."""
        name = f"[{self.host}]" if ":" in self.host else self.host
        return name if self.port == PORTS[self.scheme] else f"{name}:{self.port}"


def check(url: str) -> UrlParts:
    """Return the parts of an http or https URL, without resolving its host; raises BadAddress."""
    if len(url) > MAX_URL_CHARACTERS or not url.isascii() or not url.isprintable() or " " in url:
        raise BadAddress("It is not a URL: use at most 2,000 ASCII characters, without spaces.")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise BadAddress(f"It is not a URL: {error}.") from error
    if parts.scheme not in PORTS or not parts.hostname:
        raise BadAddress("It must begin with https:// and name a host.")
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise BadAddress("It must have neither a user nor a fragment.")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return parts.scheme, parts.hostname, port or PORTS[parts.scheme], path


def host_of(url: str) -> str:
    """Return a URL's host in lower case; empty if it has none."""
    try:
        return (urlsplit(url).hostname or "")[:255]
    except ValueError:
        return ""


async def resolve(url: str, *, allowed: Sequence[Network], cure: str, timeout_s: float = LOOKUP_S) -> Target:
    """Look a URL's host up; raises BadAddress if one of its addresses is not allowed, OSError if it has none.

    ``cure`` says which setting would allow it. Raises TimeoutError after ``timeout_s``; the look-up's thread stays
    behind, because ``getaddrinfo`` cannot be interrupted.
    """
    parts = check(url)
    _, host, port, _ = parts
    try:
        found = await asyncio.wait_for(
            asyncio.wrap_future(lookups.start(host, port, type=socket.SOCK_STREAM)), timeout_s
        )
    except TimeoutError:
        raise TimeoutError(f"Looking up {host[:80]} took longer than {timeout_s:g} s") from None
    except UnicodeError:
        raise BadAddress(f"{host[:80]} is not a valid host name.") from None
    return _target(parts, found, allowed, cure)


def _target(parts: UrlParts, found: list[Any], allowed: Sequence[Network], cure: str) -> Target:
    """Return the target; raises BadAddress unless every address found is allowed."""
    scheme, host, port, path = parts
    addresses = [ip_address(str(entry[4][0]).partition("%")[0]) for entry in found]
    for address in addresses:
        refuse(address, scheme=scheme, host=host, allowed=allowed, cure=cure)
    return Target(scheme, host, port, path, addresses[0])


def refuse(address: Address, *, scheme: str, host: str, allowed: Sequence[Network], cure: str) -> None:
    """Raise BadAddress unless a host of this address may be called: a public one by https, or one that is listed."""
    plain = _plain(address)
    listed = any(plain in network for network in allowed if network.version == plain.version)
    if not listed and not _is_public(plain):
        named = host if host.strip("[]") == str(address) else f"{host} is {address}, which"
        raise BadAddress(f"{named} is not public ({cure}).")
    if not listed and scheme != "https":
        raise BadAddress(f"It must begin with https:// ({cure}).")
    if plain.is_multicast or plain.is_unspecified:
        raise BadAddress(f"{host} is {address}, which is not a host.")


def _is_public(address: Address) -> bool:
    if address.version == 6 and address not in GLOBAL_UNICAST:
        return False
    return address.is_global and not any(address in network for network in SPECIAL)


def _plain(address: Address) -> Address:
    """Return the IPv4 address embedded in an IPv6 one (mapped, or translated by NAT64); otherwise the address."""
    if isinstance(address, IPv6Address):
        if address in NAT64:
            return IPv4Address(int(address) & 0xFFFF_FFFF)
        return address.ipv4_mapped or address
    return address


@dataclass(frozen=True, slots=True)
class Answer:
    """A status code, and at most ``max_bytes`` of the body."""

    status: int
    body: bytes


def get(url: str, *, total_s: float, headers: Mapping[str, str] | None = None, max_bytes: int = 0) -> Answer:
    """Get a URL without following redirects, and read at most ``max_bytes`` of the body.

    ``total_s`` covers the name look-up, the connection, the headers and the body. Raises TimeoutError,
    httpx.HTTPError, httpx.InvalidURL or ValueError.
    """
    return lookups.run(_get(url, total_s, headers, max_bytes))


async def _get(url: str, total_s: float, headers: Mapping[str, str] | None, max_bytes: int) -> Answer:
    try:
        async with asyncio.timeout(total_s), httpx.AsyncClient(timeout=total_s, headers=headers) as client:
            async with client.stream("GET", url) as response:
                return Answer(response.status_code, await _read_body(response, max_bytes))
    except (TimeoutError, httpx.TimeoutException):
        raise TimeoutError(f"it did not answer within {total_s:g} s") from None


async def _read_body(response: httpx.Response, max_bytes: int) -> bytes:
    body = b""
    if max_bytes:  # even the first read would wait for a body that may never come
        async for part in response.aiter_bytes():
            body += part
            if len(body) >= max_bytes:
                break
    return body[:max_bytes]
