"""The sockets for SSDP: one to search, one to receive announcements. Standard library only."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import struct
import sys
from collections.abc import Iterator
from typing import Any

from portmapper.api import IPAddress

SSDP_GROUP = "239.255.255.250"
SSDP_PORT = 1900

SSDP_GROUPS = {4: (SSDP_GROUP,), 6: ("ff02::c", "ff05::c")}
"""Groups where devices listen (UDA 2.0, section 1.3.2 and annex A.4.2: link-local and site-local)."""

_TTL = 2  # UDA 2.0, section 1.3.2

Destination = tuple[Any, ...]


def destination(address: str, port: int, interface: int) -> Destination:
    """Return the socket address to send to; IPv6 groups and link-local addresses need an interface."""
    return (address.partition("%")[0], port, 0, interface) if ":" in address else (address, port)


def interface_index(interface: str, gateway: IPAddress | None) -> int:
    """Return the index of an interface from its name or the gateway's zone; 0 for any interface."""
    zone = getattr(gateway, "scope_id", None) or interface
    if zone and zone.isdigit():
        return int(zone)
    with contextlib.suppress(OSError):
        return socket.if_nametoindex(zone) if zone else 0
    return 0


def searching_socket(local_address: IPAddress, towards: Destination) -> socket.socket:
    """Open a socket for M-SEARCH.

    Over IPv6 it is bound to the source address that the system chooses for the first destination. For a
    link-local gateway that is our link-local address, and the answers come from the gateway's link-local
    address. To a global address a router answers from its own global address, which could just as well
    be the address of a neighbor.

    Raises:
        OSError: our address is gone.
    """
    if local_address.version == 4:
        return _searching_ipv4(str(local_address))
    with _closing_on_error(socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)) as opened:
        interface = towards[3]
        opened.setblocking(False)
        opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, _TTL)
        opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, interface)
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
            probe.connect(towards)
            source = probe.getsockname()[0].partition("%")[0]
        scope = interface if ipaddress.ip_address(source).is_link_local else 0
        opened.bind((source, 0, 0, scope))
    return opened


def listening_socket(local_address: IPAddress, port: int, interface: int) -> socket.socket:
    """Open a socket that receives announcements for the group of our address family.

    Raises:
        OSError: multicast is not available there.
    """
    family = socket.AF_INET6 if local_address.version == 6 else socket.AF_INET
    with _closing_on_error(socket.socket(family, socket.SOCK_DGRAM)) as opened:
        opened.setblocking(False)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if sys.platform != "win32" and sys.platform != "linux":  # BSDs share a multicast port only with this
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            _join_ipv6(opened, port, interface)
        else:
            _join_ipv4(opened, port, str(local_address))
    return opened


def _searching_ipv4(local_address: str) -> socket.socket:
    with _closing_on_error(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as opened:
        opened.setblocking(False)
        opened.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, _TTL)
        opened.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(local_address))
        opened.bind((local_address, 0))
    return opened


def _join_ipv4(opened: socket.socket, port: int, local_address: str) -> None:
    # Bound to the group, the socket takes no unicast packets from other programs on this port.
    opened.bind(("" if sys.platform == "win32" else SSDP_GROUP, port))
    group = socket.inet_aton(SSDP_GROUP) + socket.inet_aton(local_address)
    opened.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, group)


def _join_ipv6(opened: socket.socket, port: int, interface: int) -> None:
    opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    # A socket can be bound to one group only. Routers announce themselves in both, so one is enough.
    group = SSDP_GROUPS[6][0]
    opened.bind(("::" if sys.platform == "win32" else group, port, 0, interface))
    member = socket.inet_pton(socket.AF_INET6, group) + struct.pack("@I", interface)
    opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, member)


@contextlib.contextmanager
def _closing_on_error(opened: socket.socket) -> Iterator[socket.socket]:
    try:
        yield opened
    except OSError:
        opened.close()
        raise
