"""A listener for a gateway's SSDP announcements: it restarted, moved or says goodbye."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from portmapper.api import GatewayEvent
from portmapper_upnp.budget import Budget
from portmapper_upnp.endpoint import Endpoint
from portmapper_upnp.multicast import interface_index, listening_socket
from portmapper_upnp.search import MAX_DATAGRAM
from portmapper_upnp.ssdp_packet import SsdpPacket, read_packet

if TYPE_CHECKING:
    import socket

SHORTEST_GAP = 1.5
"""Seconds between two events of one kind. Announcements can be forged, and each event costs requests. An
event that comes sooner is delayed, not dropped, because a gateway may restart twice."""

_GATEWAY_TARGET = re.compile(r":(?:InternetGatewayDevice|WAN(?:IP|PPP)Connection):", re.IGNORECASE)

ROOT_TARGET = re.compile(r":InternetGatewayDevice:", re.IGNORECASE)

_log = logging.getLogger(__name__)


class Announcements(asyncio.DatagramProtocol):
    """The NOTIFY messages of one gateway."""

    def __init__(self, endpoint: Endpoint, device: str) -> None:
        """Prepare to listen to one gateway; `device` is its unique name, empty if it has none."""
        self._endpoint = endpoint
        self._sender = str(endpoint.address).partition("%")[0]
        self._device = device
        self._boot_id = endpoint.boot_id
        self._location = endpoint.location if endpoint.searched else None
        self._said_goodbye = False
        self._budget = Budget()
        self._reported_at: dict[GatewayEvent, float] = {}
        self._delayed: dict[GatewayEvent, asyncio.TimerHandle] = {}
        self._notify: Callable[[GatewayEvent], None] | None = None
        self._transport: asyncio.BaseTransport | None = None
        self._is_listening = False

    async def listen(self, notify: Callable[[GatewayEvent], None]) -> None:
        """Call `notify` for each event until `close`, in place of an earlier one.

        If the socket fails, log it and rely on polling.
        """
        self._notify = notify
        if self._is_listening:
            return
        self._is_listening = True
        self._loop = asyncio.get_running_loop()
        try:
            opened = self._socket()
        except OSError as error:
            _log.info("cannot listen for SSDP announcements on %s: %s", self._endpoint.local_address, error)
            return
        await self._loop.create_datagram_endpoint(lambda: self, sock=opened)

    def _socket(self) -> socket.socket:
        endpoint = self._endpoint
        interface = (
            interface_index(endpoint.interface, endpoint.address) if endpoint.address.version == 6 else 0
        )
        return listening_socket(endpoint.local_address, endpoint.ssdp_port, interface)

    def close(self) -> None:
        """Stop listening."""
        self._notify = None
        for timer in self._delayed.values():
            timer.cancel()
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport, or close it if `close` was called in the meantime."""
        self._transport = transport
        if self._notify is None:
            transport.close()

    def datagram_received(self, data: bytes, sender: tuple[Any, ...]) -> None:
        """Process a packet if the gateway sent it."""
        if sender[0] != self._sender or len(data) > MAX_DATAGRAM:
            return
        if not self._budget.allows(self._loop.time()):
            return
        packet = read_packet(data, sender)
        event = self.event(packet) if packet else None
        if event is not None:
            self._report(event)

    def event(self, packet: SsdpPacket) -> GatewayEvent | None:
        """Return the event that an announcement means, None if nothing changed.

        A changed BOOTID means a restart (UDA 2.0, section 1.2.2). Devices that are too old for BOOTID
        show a restart by an announcement after a goodbye.
        """
        renamed = self._has_new_name(packet)
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
        """Tell whether a packet is about this device.

        One router can announce several devices. A FRITZ!Box announces an IGD 1 and an IGD 2, each at its
        own location, and a media server, which is irrelevant here.
        """
        if self._device and packet.device:
            return packet.device == self._device
        return _GATEWAY_TARGET.search(packet.target) is not None

    def _has_new_name(self, packet: SsdpPacket) -> bool:
        """Tell whether this device has a new unique name: some devices generate one at each start.

        The path of its description stays the same, even on another port. Other devices of the same router
        have other paths.
        """
        if packet.kind != "alive" or not self._device or packet.device in ("", self._device):
            return False
        if packet.location is None or not ROOT_TARGET.search(packet.target):
            return False
        return urlsplit(packet.location).path == urlsplit(self._endpoint.location).path

    def _report(self, event: GatewayEvent) -> None:
        if event is GatewayEvent.RESTARTED and (goodbye := self._delayed.pop(GatewayEvent.GONE, None)):
            goodbye.cancel()  # it precedes the restart, and would be reported after it
        if self._notify is None or event in self._delayed:
            return
        now = self._loop.time()
        delay = self._reported_at.get(event, -SHORTEST_GAP) + SHORTEST_GAP - now
        if delay > 0:
            self._delayed[event] = self._loop.call_later(delay, self._report_now, event)
        else:
            self._report_now(event)

    def _report_now(self, event: GatewayEvent) -> None:
        self._delayed.pop(event, None)
        self._reported_at[event] = self._loop.time()
        if self._notify is not None:
            self._notify(event)
