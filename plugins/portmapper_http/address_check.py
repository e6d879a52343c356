"""The addresses of a URL's host, and the check whether a redirect may lead there."""

from __future__ import annotations

import ipaddress
import socket
from typing import TYPE_CHECKING

from portmapper.api import IPAddress, SourceError
from portmapper.support.threads import in_thread

if TYPE_CHECKING:
    from yarl import URL

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_MAX_ADDRESSES = 8


async def resolve(url: URL) -> list[IPAddress]:
    """Resolve the URL's host to its addresses; a literal address in any notation is resolved too.

    Raises:
        SourceError: the host has no address.
    """
    host, port = url.host or "", url.port
    try:
        found = await in_thread(lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
    except (OSError, UnicodeError):
        raise SourceError("the host name cannot be resolved") from None
    addresses = dict.fromkeys(ipaddress.ip_address(str(entry[4][0])) for entry in found)
    return list(addresses)[:_MAX_ADDRESSES]


def is_public(address: IPAddress) -> bool:
    """Tell whether an address is on the Internet; for an IPv6 address that embeds IPv4, check that one."""
    embedded = _embedded_ipv4(address)
    if embedded is not None:
        return is_public(embedded)
    return address.is_global and not address.is_multicast


def _embedded_ipv4(address: IPAddress) -> IPAddress | None:
    if not isinstance(address, ipaddress.IPv6Address):
        return None
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour
