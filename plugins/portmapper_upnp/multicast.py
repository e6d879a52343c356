"""The sockets of SSDP: one that searches, one that hears announcements. Standard library only."""

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
"""Where devices listen (UDA 2.0, section 1.3.2 and annex A.4.2: link-local and site-local scope)."""

_TTL = 2  # UDA 2.0, section 1.3.2

Destination = tuple[Any, ...]


def destination(address: str, port: int, interface: int) -> Destination:
    """Return what a datagram to `address` is sent to; IPv6 groups and link-local ones need an interface."""
    return (address.partition("%")[0], port, 0, interface) if ":" in address else (address, port)


def interface_index(interface: str, gateway: IPAddress | None) -> int:
    """Return the number of an interface, by its name or the zone of the gateway behind it; 0 for any."""
    zone = getattr(gateway, "scope_id", None) or interface
    if zone and zone.isdigit():
        return int(zone)
    with contextlib.suppress(OSError):
        return socket.if_nametoindex(zone) if zone else 0
    return 0


def searching_socket(local_address: IPAddress, towards: Destination) -> socket.socket:
    """Open a socket for M-SEARCH.

    Over IPv6 it is bound to the address that the system would ask the first destination from: to a
    link-local gateway that is our link-local one, and its answers come from the very address asked.
    A router answers a global address from its own global one, which nobody can tell from a neighbour's.

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
    """Open a socket that hears what is sent to the groups of our address's family.

    Raises:
        OSError: multicast is not to be had there.
    """
    family = socket.AF_INET6 if local_address.version == 6 else socket.AF_INET
    with _closing_on_error(socket.socket(family, socket.SOCK_DGRAM)) as opened:
        opened.setblocking(False)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if sys.platform != "win32" and sys.platform != "linux":  # the BSDs share a multicast port only so
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
    # Bound to the group, it takes no unicast packet from another program on this port.
    opened.bind(("" if sys.platform == "win32" else SSDP_GROUP, port))
    group = socket.inet_aton(SSDP_GROUP) + socket.inet_aton(local_address)
    opened.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, group)


def _join_ipv6(opened: socket.socket, port: int, interface: int) -> None:
    opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    # One socket is bound to one group at most. Routers announce themselves in both; this one is enough.
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
