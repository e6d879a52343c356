"""One question that costs one packet each way: is the gateway still the same, or did it restart?"""

from __future__ import annotations

import asyncio
from typing import Any

from portmapper_upnp.endpoint import Endpoint
from portmapper_upnp.multicast import destination, searching_socket
from portmapper_upnp.search import MAX_DATAGRAM
from portmapper_upnp.search_targets import MX, search_packet
from portmapper_upnp.ssdp_packet import read_packet

ANSWER_TIME = MX + 0.5
"""Seconds. A gateway may delay its answer for up to MX seconds."""


async def boot_id(endpoint: Endpoint) -> str:
    """Return the BOOTID of the gateway, which grows with each restart; empty if it tells none.

    The search is unicast (UDA 2.0, section 1.3.2), and for root devices, which each device answers once.
    """
    loop = asyncio.get_running_loop()
    there = destination(str(endpoint.address), endpoint.ssdp_port, 0)
    try:
        transport, answer = await loop.create_datagram_endpoint(
            lambda: _Answer(endpoint), sock=searching_socket(endpoint.local_address, there)
        )
    except OSError:
        return ""
    try:
        host = f"{endpoint.address}:{endpoint.ssdp_port}"
        transport.sendto(search_packet("upnp:rootdevice", host), there)
        async with asyncio.timeout(ANSWER_TIME):
            return await answer.boot_id
    except TimeoutError:
        return ""
    finally:
        transport.close()


class _Answer(asyncio.DatagramProtocol):
    def __init__(self, endpoint: Endpoint) -> None:
        self.boot_id: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._endpoint = endpoint

    def datagram_received(self, data: bytes, sender: tuple[Any, ...]) -> None:
        if sender[0] != str(self._endpoint.address) or len(data) > MAX_DATAGRAM or self.boot_id.done():
            return
        packet = read_packet(data, sender)
        if packet is not None and packet.kind == "answer" and packet.location == self._endpoint.location:
            self.boot_id.set_result(packet.boot_id)

    def error_received(self, error: Exception) -> None:
        """Ignore a refusal: without an answer, the table is queried."""
