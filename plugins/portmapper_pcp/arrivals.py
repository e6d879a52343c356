"""Announcements on port 5350 of a gateway that has not been found."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import ClassVar

from portmapper.api import HearsArrivals, Target
from portmapper_pcp.wire import SERVER_PORT


class HearsPort5351(HearsArrivals):
    """A backend whose gateways announce themselves in packets of its protocol's version.

    Attributes:
        version: first byte of each packet.
    """

    version: ClassVar[int]

    async def listen(self, target: Target, arrived: Callable[[], None]) -> None:
        """Call `arrived` for each packet. Raise `NetworkFailure` if nothing can be heard."""
        if target.gateway is None or target.url is not None:
            return
        from portmapper_pcp.announcements import Listener  # only while no gateway is found

        async def on_packet(packet: bytes) -> None:
            if packet[:1] == bytes([self.version]):
                arrived()

        listener = Listener(target.local_address, target.gateway, target.port or SERVER_PORT, on_packet)
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            await listener.close()
