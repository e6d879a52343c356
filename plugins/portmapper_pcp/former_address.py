"""A last word from an address that this host had: PCP and NAT-PMP close a port for no other.

After another lease of DHCP the gateway keeps what the former address opened, and the ports with it, until
their leases end. It closes them at once for a packet from there. Linux sends one for a process with
CAP_NET_RAW or CAP_NET_ADMIN (ip(7), IP_TRANSPARENT); elsewhere the leases have to end by themselves.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import sys

from portmapper.api import IPAddress, NetworkFailure

TIMES = 3
"""Times that it is sent, since nobody hears whether it arrived."""

PAUSE = 0.05
"""Seconds between two of them."""

_TRANSPARENT = {4: (socket.IPPROTO_IP, 19), 6: (socket.IPPROTO_IPV6, 75)}
"""Level and number of IP_TRANSPARENT and IPV6_TRANSPARENT, which Python does not name."""


def is_lost(address: IPAddress) -> bool:
    """Tell whether an address is none of this host's."""
    try:
        with _socket(address) as probe:
            probe.bind((str(address), 0))
    except OSError as error:
        return error.errno == errno.EADDRNOTAVAIL
    return False


async def say(packet: bytes, former: IPAddress, gateway: IPAddress, port: int) -> None:
    """Send a packet to the gateway from an address that is not ours any more.

    Raises:
        NetworkFailure: the system does not let us.
    """
    try:
        with _socket(former) as speaking:
            if sys.platform != "linux":
                raise OSError(errno.EADDRNOTAVAIL, "Cannot assign requested address")
            speaking.setsockopt(*_TRANSPARENT[former.version], 1)
            speaking.bind((str(former), 0))
            speaking.setblocking(False)
            for _ in range(TIMES):
                speaking.sendto(packet, (str(gateway), port))
                await asyncio.sleep(PAUSE)
    except OSError as error:
        raise NetworkFailure(f"{former} is not ours any more: {error.strerror or error}") from error


def _socket(address: IPAddress) -> socket.socket:
    return socket.socket(socket.AF_INET6 if address.version == 6 else socket.AF_INET, socket.SOCK_DGRAM)
