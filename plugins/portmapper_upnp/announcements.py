"""Listens for a gateway's own SSDP announcements: it restarted, it moved, it leaves."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from portmapper.api import GatewayEvent
from portmapper_upnp.answer import SsdpPacket, read_packet
from portmapper_upnp.location_check import Place
from portmapper_upnp.multicast import interface_index, listening_socket
from portmapper_upnp.search import MAX_DATAGRAM, Budget

if TYPE_CHECKING:
    import socket

SHORTEST_GAP = 1.5
"""Seconds between two events of one kind: announcements can be forged, and cost requests. What comes
sooner is told when they are over: a gateway may well restart twice."""

_GATEWAY_TARGET = re.compile(r":(?:InternetGatewayDevice|WAN(?:IP|PPP)Connection):", re.IGNORECASE)

_ROOT_TARGET = re.compile(r":InternetGatewayDevice:", re.IGNORECASE)

_log = logging.getLogger(__name__)


class Announcements(asyncio.DatagramProtocol):
    """The NOTIFY messages of one gateway."""

    def __init__(self, place: Place, device: str) -> None:
        """Prepare to listen for the gateway there; `device` is its unique name, empty when it has none."""
        self._place = place
        self._sender = str(place.address).partition("%")[0]
        self._device = device
        self._boot_id = place.boot_id
        self._location = place.location if place.searched else None
        self._said_goodbye = False
        self._budget = Budget()
        self._told: dict[GatewayEvent, float] = {}
        self._later: dict[GatewayEvent, asyncio.TimerHandle] = {}
        self._notify: Callable[[GatewayEvent], None] | None = None
        self._transport: asyncio.BaseTransport | None = None

    async def listen(self, notify: Callable[[GatewayEvent], None]) -> None:
        """Call `notify` at each event until `close`. Where listening is impossible, polling has to do."""
        self._notify = notify
        self._loop = asyncio.get_running_loop()
        try:
            opened = self._socket()
        except OSError as error:
            _log.info("no SSDP announcements on %s: %s", self._place.local_address, error)
            return
        await self._loop.create_datagram_endpoint(lambda: self, sock=opened)

    def _socket(self) -> socket.socket:
        place = self._place
        interface = interface_index(place.interface, place.address) if place.address.version == 6 else 0
        return listening_socket(place.local_address, place.ssdp_port, interface)

    def close(self) -> None:
        """Stop listening."""
        self._notify = None
        for timer in self._later.values():
            timer.cancel()
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport; it may have been closed while it was being made."""
        self._transport = transport
        if self._notify is None:
            transport.close()

    def datagram_received(self, data: bytes, sender: tuple[Any, ...]) -> None:
        """Look at a packet if it is the gateway's."""
        if sender[0] != self._sender or len(data) > MAX_DATAGRAM:
            return
        if not self._budget.allows(self._loop.time()):
            return
        packet = read_packet(data, sender)
        event = self.event(packet) if packet else None
        if event is not None:
            self._tell(event)

    def event(self, packet: SsdpPacket) -> GatewayEvent | None:
        """Return what an announcement means, None for nothing new.

        A restart shows in another BOOTID (UDA 2.0, section 1.2.2), or in a return after a goodbye where
        the device is too old to have one.
        """
        renamed = self._is_renamed(packet)
        if renamed:
            self._device = packet.device
        if not self._concerns(packet):
            return None
        if packet.kind == "byebye":
            self._said_goodbye = True
            return GatewayEvent.GONE
        if packet.kind != "alive":
            return None
        rebooted = bool(self._boot_id and packet.boot_id) and packet.boot_id != self._boot_id
        moved = None not in (packet.location, self._location) and packet.location != self._location
        returned, self._said_goodbye = self._said_goodbye, False
        self._boot_id = packet.boot_id or self._boot_id
        self._location = packet.location or self._location
        if moved:
            return GatewayEvent.GONE
        return GatewayEvent.RESTARTED if rebooted or returned or renamed else None

    def _concerns(self, packet: SsdpPacket) -> bool:
        """Tell whether it is about this device.

        A router may be several: a FRITZ!Box is an IGD 1 and an IGD 2, each with a location of its own,
        and a media server whose comings and goings mean nothing here.
        """
        if self._device and packet.device:
            return packet.device == self._device
        return _GATEWAY_TARGET.search(packet.target) is not None

    def _is_renamed(self, packet: SsdpPacket) -> bool:
        """Tell whether this device has another unique name now: some make up a new one at each start.

        Its description lies where it lay, be it on another port; what else a router is lies elsewhere.
        """
        if packet.kind != "alive" or not self._device or packet.device in ("", self._device):
            return False
        if packet.location is None or not _ROOT_TARGET.search(packet.target):
            return False
        return urlsplit(packet.location).path == urlsplit(self._place.location).path

    def _tell(self, event: GatewayEvent) -> None:
        if event is GatewayEvent.RESTARTED and (goodbye := self._later.pop(GatewayEvent.GONE, None)):
            goodbye.cancel()  # it came before the return, and would be told after it
        if self._notify is None or event in self._later:
            return
        now = self._loop.time()
        too_soon = self._told.get(event, -SHORTEST_GAP) + SHORTEST_GAP - now
        if too_soon > 0:
            self._later[event] = self._loop.call_later(too_soon, self._tell_now, event)
        else:
            self._tell_now(event)

    def _tell_now(self, event: GatewayEvent) -> None:
        self._later.pop(event, None)
        self._told[event] = self._loop.time()
        if self._notify is not None:
            self._notify(event)
