"""Where a URL leads: its addresses, and whether a stranger may send us there."""

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
    """Look up the addresses of the URL's host. A literal address is one too, however it is spelt.

    Raises:
        SourceError: there are none.
    """
    host, port = url.host or "", url.port
    try:
        found = await in_thread(lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
    except (OSError, UnicodeError):
        raise SourceError("the name of the host cannot be resolved") from None
    addresses = dict.fromkeys(ipaddress.ip_address(str(entry[4][0])) for entry in found)
    return list(addresses)[:_MAX_ADDRESSES]


def is_public(address: IPAddress) -> bool:
    """Tell whether the address lies on the Internet; an IPv6 one that carries an IPv4 one is that one."""
    carried = _carried(address)
    if carried is not None:
        return is_public(carried)
    return address.is_global and not address.is_multicast


def _carried(address: IPAddress) -> IPAddress | None:
    if not isinstance(address, ipaddress.IPv6Address):
        return None
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour
