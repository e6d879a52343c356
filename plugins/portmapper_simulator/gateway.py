"""The embedded gateway: all its servers as one asynchronous context manager."""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from typing import Self

from portmapper.api import PortmapperError
from portmapper_simulator.igd_server import IgdServer
from portmapper_simulator.quirks import QUIRKS
from portmapper_simulator.settings import PROTOCOLS, Settings
from portmapper_simulator.state import UDP_MECHANISMS, Asked, State
from portmapper_simulator.table import Table
from portmapper_simulator.udp_server import UdpServer


class EmbeddedGateway:
    """A NAT gateway in software.

    Inside the `async with` it answers on its ports; its attributes tell which they are.

    Attributes:
        settings: as given.
        state: mappings, clock and quirks; `state.quirks` may be changed while it runs.
    """

    state: State
    _udp: UdpServer
    _igd: IgdServer

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = settings or Settings()

    async def __aenter__(self) -> Self:
        """Open the ports.

        Raises:
            PortmapperError: one of them is taken, an address is not this host's, or there is no such
                quirk or protocol.
        """
        _check(self.settings)
        self.state = State(self.settings)
        self._udp = UdpServer(self.state)
        self._igd = IgdServer(self.state)
        try:
            await self._open()
        except PortmapperError:
            await self._close()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close every port and mapping."""
        await self._close()

    @property
    def pcp_port(self) -> int:
        """UDP port of PCP and NAT-PMP, 0 when both were off from the start."""
        return self._udp.port

    @property
    def http_port(self) -> int:
        """TCP port of the description and SOAP, 0 when UPnP was off from the start."""
        return self._igd.http.ports[0] if self._igd.http.ports else 0

    @property
    def connections(self) -> tuple[int, int]:
        """How many HTTP connections there were so far, and how many at most at once."""
        return self._igd.http.accepted, self._igd.http.most_at_once

    @property
    def ssdp_port(self) -> int:
        """UDP port of SSDP, 0 when UPnP was off from the start."""
        return self._igd.ssdp.port

    @property
    def location(self) -> str:
        """URL of the IGD description, empty when UPnP was off from the start."""
        return self._igd.location if self._igd.http.ports else ""

    @property
    def table(self) -> Table:
        """The mapping table, of all protocols."""
        return self.state.nat.table

    @property
    def epoch(self) -> int:
        """Seconds since the last restart, as PCP and NAT-PMP tell them."""
        return self.state.epoch

    @property
    def requests(self) -> deque[Asked]:
        """The last requests, oldest first."""
        return self.state.requests

    async def restart(self, *, announce: bool = True) -> None:
        """Lose the table and begin the epoch anew, as after a power cut; then say so, or not."""
        self.state.restart()
        await asyncio.sleep(0)  # lets the relays' sockets go, so that their ports are free again
        if announce:
            self._udp.announce()
            if self._igd.is_open:
                self._igd.announce_restart()

    def announce(self) -> None:
        """Tell over PCP and NAT-PMP that it is there, as a gateway does that boots; UPnP tells by itself."""
        self._udp.announce()

    def change_external_address(self, address: str, *, announce: bool = True) -> None:
        """Get another outside address; the mappings stay."""
        self.state.external_address = address
        if announce:
            self._udp.announce(repeat=False)

    async def stop_protocol(self, protocol: str, *, goodbye: bool = False) -> None:
        """Switch `pcp`, `natpmp` or `upnp` off: its port refuses, unless the other one shares it."""
        self.state.active.discard(protocol)
        if protocol == "upnp":
            await self._igd.close(goodbye=goodbye)
        elif not self.state.active & UDP_MECHANISMS:
            await self._udp.close()

    async def start_protocol(self, protocol: str) -> None:
        """Switch it on again, at the ports it had; the table is what it was.

        Raises:
            PortmapperError: its port is taken meanwhile.
        """
        self.state.active.add(protocol)
        await self._open()

    def mute(self, protocol: str) -> None:
        """Say nothing over that protocol from now on; its port stays open."""
        self.state.muted.add(protocol)

    def unmute(self, protocol: str) -> None:
        """Answer over that protocol again."""
        self.state.muted.discard(protocol)

    async def _open(self) -> None:
        try:
            if self.state.spoken & UDP_MECHANISMS and not self._udp.is_open:
                await self._udp.open()
            if "upnp" in self.state.active and not self._igd.is_open:
                await self._igd.open()
        except OSError as error:
            raise PortmapperError(f"the gateway cannot listen at {error.strerror}") from error

    async def _close(self) -> None:
        self.state.nat.clear("end")
        await self._udp.close()
        await self._igd.close()


def _check(settings: Settings) -> None:
    """Raise `PortmapperError` for a name nobody knows, or when nothing could ever be relayed."""
    if unknown := sorted((settings.protocols - PROTOCOLS) | (settings.quirks - QUIRKS.keys())):
        raise PortmapperError(f"the gateway knows no {', '.join(unknown)}")
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind((settings.external_host, 0))
    except OSError as error:
        message = f"the gateway cannot relay from {settings.external_host}: {error.strerror}"
        raise PortmapperError(message) from error
