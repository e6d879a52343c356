"""The embedded gateway: all servers as one asynchronous context manager."""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from typing import Self

from portmapper.api import PortmapperError
from portmapper_simulator.igd_server import IgdServer
from portmapper_simulator.quirks import QUIRKS
from portmapper_simulator.settings import PROTOCOLS, Settings
from portmapper_simulator.state import UDP_MECHANISMS, LoggedRequest, State
from portmapper_simulator.table import Table
from portmapper_simulator.udp_server import UdpServer


class EmbeddedGateway:
    """A NAT gateway in software.

    Inside the `async with` block it answers on its ports, which its attributes contain.

    Attributes:
        settings: the gateway's settings.
        state: mappings, clock and quirks; `state.quirks` can change while the gateway runs.
    """

    state: State
    _udp: UdpServer
    _igd: IgdServer

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = settings or Settings()

    async def __aenter__(self) -> Self:
        """Open the ports.

        Raises:
            PortmapperError: a port is in use, an address does not belong to this host, or a quirk or
                protocol is unknown.
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
        """UDP port of PCP and NAT-PMP, 0 if both were disabled at the start."""
        return self._udp.port

    @property
    def http_port(self) -> int:
        """TCP port of the description and SOAP, 0 if UPnP was disabled at the start."""
        return self._igd.http.ports[0] if self._igd.http.ports else 0

    @property
    def connections(self) -> tuple[int, int]:
        """Number of HTTP connections so far, and the most at the same time."""
        return self._igd.http.accepted, self._igd.http.peak

    @property
    def ssdp_port(self) -> int:
        """UDP port of SSDP, 0 if UPnP was disabled at the start."""
        return self._igd.ssdp.port

    @property
    def location(self) -> str:
        """URL of the IGD description, empty if UPnP was disabled at the start."""
        return self._igd.location if self._igd.http.ports else ""

    @property
    def table(self) -> Table:
        """The mapping table of all protocols."""
        return self.state.nat.table

    @property
    def epoch(self) -> int:
        """Seconds since the last restart, as PCP and NAT-PMP report them."""
        return self.state.epoch

    @property
    def requests(self) -> deque[LoggedRequest]:
        """The latest requests, oldest first."""
        return self.state.requests

    async def restart(self, *, announce: bool = True) -> None:
        """Clear the table and reset the epoch, as after a power cut; optionally announce it."""
        self.state.restart()
        await asyncio.sleep(0)  # the relays' sockets are freed one event-loop iteration later
        if announce:
            self._udp.announce()
            if self._igd.is_open:
                self._igd.announce_restart()

    def announce(self) -> None:
        """Announce the gateway over PCP and NAT-PMP, as at boot; UPnP announces itself when it opens."""
        self._udp.announce()

    def change_external_address(self, address: str, *, announce: bool = True) -> None:
        """Change the external address, and keep the mappings."""
        self.state.external_address = address
        if announce:
            self._udp.announce(repeat=False)

    async def stop_protocol(self, protocol: str, *, goodbye: bool = False) -> None:
        """Disable `pcp`, `natpmp` or `upnp`; its port closes unless another protocol uses it."""
        self.state.active.discard(protocol)
        if protocol == "upnp":
            await self._igd.close(goodbye=goodbye)
        elif not self.state.active & UDP_MECHANISMS:
            await self._udp.close()

    async def start_protocol(self, protocol: str) -> None:
        """Enable a protocol again on the same ports, and keep the table.

        Raises:
            PortmapperError: the port is in use.
        """
        self.state.active.add(protocol)
        await self._open()

    def mute(self, protocol: str) -> None:
        """Stop answering over a protocol; its port stays open."""
        self.state.muted.add(protocol)

    def unmute(self, protocol: str) -> None:
        """Answer over a protocol again."""
        self.state.muted.discard(protocol)

    async def _open(self) -> None:
        try:
            if self.state.enabled_protocols & UDP_MECHANISMS and not self._udp.is_open:
                await self._udp.open()
            if "upnp" in self.state.active and not self._igd.is_open:
                await self._igd.open()
        except OSError as error:
            raise PortmapperError(f"the gateway cannot listen on {error.strerror}") from error

    async def _close(self) -> None:
        self.state.nat.clear("end")
        await self._udp.close()
        await self._igd.close()


def _check(settings: Settings) -> None:
    """Raise `PortmapperError` for an unknown name, or if the external address is not this host's."""
    if unknown := sorted((settings.protocols - PROTOCOLS) | (settings.quirks - QUIRKS.keys())):
        raise PortmapperError(f"unknown quirk or protocol: {', '.join(unknown)}")
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind((settings.external_host, 0))
    except OSError as error:
        message = f"the gateway cannot listen on {settings.external_host}: {error.strerror}"
        raise PortmapperError(message) from error
