"""Network addresses as they are counted: whoever has one IPv6 address has the whole /64 around it."""

from __future__ import annotations

import functools
import ipaddress

UNREADABLE = "?"
"""All addresses that are none (a proxy may pass on anything) count as one."""


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
