"""Requests from a former address of this host: only the address that opened a port can close it.

After DHCP assigns another address, the gateway keeps the mappings of the former address, and their external
ports, until the leases end. It closes them at once for a packet from the former address. Linux can send such
a packet for a process with CAP_NET_RAW or CAP_NET_ADMIN (ip(7), IP_TRANSPARENT). On other systems the leases
have to expire.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import sys

from portmapper.api import IPAddress, NetworkFailure

REPEATS = 3
"""How often the packet is sent, since no answer can confirm its arrival."""

PAUSE = 0.05
"""Seconds between two packets."""

_TRANSPARENT = {4: (socket.IPPROTO_IP, 19), 6: (socket.IPPROTO_IPV6, 75)}
"""Level and number of IP_TRANSPARENT and IPV6_TRANSPARENT, which Python does not define."""


def is_unassigned(address: IPAddress) -> bool:
    """Tell whether no interface of this host has the address."""
    try:
        with _socket(address) as probe:
            probe.bind((str(address), 0))
    except OSError as error:
        return error.errno == errno.EADDRNOTAVAIL
    return False


async def send_from(packet: bytes, former: IPAddress, gateway: IPAddress, port: int) -> None:
    """Send a packet to the gateway from an address that this host no longer has.

    Raises:
        NetworkFailure: the system does not permit it.
    """
    try:
        with _socket(former) as sender:
            if sys.platform != "linux":
                raise OSError(errno.EADDRNOTAVAIL, "Cannot assign requested address")
            sender.setsockopt(*_TRANSPARENT[former.version], 1)
            sender.bind((str(former), 0))
            sender.setblocking(False)
            for _ in range(REPEATS):
                sender.sendto(packet, (str(gateway), port))
                await asyncio.sleep(PAUSE)
    except OSError as error:
        raise NetworkFailure(f"this host no longer has {former}: {error.strerror or error}") from error


def _socket(address: IPAddress) -> socket.socket:
    return socket.socket(socket.AF_INET6 if address.version == 6 else socket.AF_INET, socket.SOCK_DGRAM)
