"""Client addresses as throttling counts them: one IPv6 client has a whole /64."""

from __future__ import annotations

import functools
import ipaddress

UNREADABLE = "?"
"""All invalid addresses count as one; a proxy may send anything."""


@functools.lru_cache(maxsize=4_096)
def counted_as(text: str) -> str:
    """Return the IPv4 address, or the /64 of an IPv6 address."""
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return UNREADABLE
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((address, 64), strict=False).network_address)
