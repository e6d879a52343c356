"""Whether a gateway refuses the port of SSDP: then it hardly speaks UPnP. Standard library only."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from portmapper.api import IPAddress
from portmapper_upnp.multicast import Destination

Received = Callable[[bytes, tuple[object, ...]], None]


class _Check(asyncio.DatagramProtocol):
    def __init__(self, received: Received) -> None:
        self._received = received
        self.refused = asyncio.Event()

    def datagram_received(self, data: bytes, addr: tuple[object, ...]) -> None:
        self._received(data, addr)

    def error_received(self, exc: Exception) -> None:
        if isinstance(exc, ConnectionRefusedError | ConnectionResetError):
            self.refused.set()


async def until_refused(
    local_address: IPAddress, gateway: Destination, packet: bytes, received: Received
) -> None:
    """Send a search to the gateway, and return once it refuses the port; without a refusal, wait forever.

    The system reports a refusal (ICMP) only to a connected socket. The search itself needs a socket that is
    not connected, because some gateways answer from another port (D3).

    Args:
        local_address: our address.
        gateway: address and port of the gateway.
        packet: the M-SEARCH.
        received: called with each answer.
    """
    check = _Check(received)
    try:
        transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: check, local_addr=(str(local_address), 0), remote_addr=gateway
        )
    except OSError:
        await asyncio.Event().wait()
        return
    try:
        transport.sendto(packet)
        await check.refused.wait()
    finally:
        transport.close()
