"""SSDP announcements of a gateway that has not been found. Standard library only."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from portmapper.api import NetworkFailure, Target
from portmapper_upnp.multicast import interface_index, listening_socket
from portmapper_upnp.search import MAX_DATAGRAM

Arrived = Callable[[bytes, tuple[Any, ...]], None]
"""Called with an announcement and its sender."""


class Arrivals(asyncio.DatagramProtocol):
    """The announcements of one target's default gateway."""

    def __init__(self, target: Target, arrived: Arrived) -> None:
        self._sender = str(target.gateway).partition("%")[0]
        self._arrived = arrived

    def datagram_received(self, data: bytes, sender: tuple[Any, ...]) -> None:
        """Report a gateway device that is alive."""
        if sender[0] == self._sender and len(data) <= MAX_DATAGRAM and is_arrival(data):
            self._arrived(data, sender)


def is_arrival(data: bytes) -> bool:
    """Tell whether a packet announces an internet gateway device."""
    packet = data.upper()
    is_alive = packet.startswith(b"NOTIFY ") and b"SSDP:ALIVE" in packet
    return is_alive and b":INTERNETGATEWAYDEVICE:" in packet


async def listen(target: Target, ssdp_port: int, arrived: Arrived) -> None:
    """Call `arrived` for each announcement until cancelled.

    Raises:
        NetworkFailure: nothing can be heard.
    """
    if target.gateway is None or target.url is not None:
        return
    loop = asyncio.get_running_loop()
    try:
        index = interface_index(target.interface, target.gateway) if target.gateway.version == 6 else 0
        opened = listening_socket(target.local_address, ssdp_port, index)
    except OSError as error:
        raise NetworkFailure(f"cannot listen for SSDP announcements: {error.strerror}") from error
    transport, _ = await loop.create_datagram_endpoint(lambda: Arrivals(target, arrived), sock=opened)
    try:
        await loop.create_future()
    finally:
        transport.close()
