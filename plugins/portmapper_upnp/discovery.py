"""Discovery of the gateways at one target: search, describe, and prefer the default gateway."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import socket
from collections import Counter
from collections.abc import AsyncGenerator, Container
from contextlib import aclosing
from urllib.parse import urlsplit

import attrs

from portmapper.api import BackendError, GatewayTimeout, IPAddress, NetworkFailure, Target
from portmapper_upnp.announcements import ROOT_TARGET
from portmapper_upnp.device import IgdDevice
from portmapper_upnp.endpoint import Endpoint
from portmapper_upnp.late_gateway import Connect, late_gateway
from portmapper_upnp.location_check import by_address, is_at
from portmapper_upnp.search import Datagram, Search
from portmapper_upnp.ssdp_packet import SsdpPacket, read_packet

MAX_LOCATIONS = 16
"""Descriptions fetched in one search from all hosts except the default gateway."""

MAX_LOCATIONS_OF_HOST = 24
"""Descriptions fetched from one host. A FRITZ!Box has seven root devices; one or two are gateways."""

RESOLVE_TIME = 5.0
"""Seconds to resolve a host name that the user typed."""

GRACE = 0.6
"""Seconds to wait for the default gateway before another device is accepted (D9)."""

_log = logging.getLogger(__name__)


class Discovery:
    """One search.

    Args:
        target: where to search.
        connect: reads a description.
        ssdp_port: the port of announcements.
        left_unread: addresses where another protocol serves the device: its description is read later.
    """

    def __init__(
        self, target: Target, connect: Connect, ssdp_port: int, left_unread: Container[IPAddress] = ()
    ) -> None:
        self._target = target
        self._connect_to = connect
        self._left_unread = left_unread
        self._ssdp_port = ssdp_port
        self._seen: set[str] = set()
        self._failed: set[str] = set()
        self._per_host: Counter[IPAddress] = Counter()
        self._yielded: set[IPAddress] = set()
        self._default_found = asyncio.Event()
        self._outcomes: asyncio.Queue[IgdDevice | None] = asyncio.Queue()
        self._failure: BackendError | None = None

    async def gateways(self, search: Search) -> AsyncGenerator[IgdDevice, None]:
        """Yield each gateway that answers the search; if none does, raise the last failure."""
        running = asyncio.create_task(self._run(search))
        try:
            while (gateway := await self._outcomes.get()) is not None:
                if gateway.address not in self._yielded:
                    self._yielded.add(gateway.address)
                    yield gateway
            await running
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
        if not self._yielded and self._failure is not None:
            raise self._failure

    async def _run(self, search: Search) -> None:
        try:
            async with asyncio.TaskGroup() as group, aclosing(search.answers()) as answers:
                async for datagram in answers:
                    self._consider(datagram, group, search)
        finally:
            self._outcomes.put_nowait(None)

    def _consider(self, datagram: Datagram, group: asyncio.TaskGroup, search: Search) -> None:
        packet = read_packet(datagram.data, datagram.sender, self._target.gateway)
        if packet is None or packet.location is None:
            return
        sender = self._with_zone(self._described_at(packet.location, packet.sender))
        if not self._is_new(packet.location, sender):
            return
        endpoint = Endpoint(
            location=packet.location,
            address=sender,
            local_address=self._target.local_address,
            latency=datagram.at,
            boot_id=packet.boot_id,
            ssdp_port=self._ssdp_port,
            interface=self._target.interface,
        )
        group.create_task(self._describe(endpoint, search, packet))

    def _described_at(self, location: str, sender: IPAddress) -> IPAddress:
        """Return the address of the device: the default gateway may answer from another address (D11)."""
        gateway = self._target.gateway
        is_there = gateway is not None and gateway.version == 4 and is_at(location, gateway)
        return gateway if is_there and gateway is not None else sender

    def _with_zone(self, sender: IPAddress) -> IPAddress:
        """Add the zone of the gateway, or else of our interface, to a link-local sender."""
        gateway, interface = self._target.gateway, self._target.interface
        if gateway is not None and int(gateway) == int(sender) and gateway.version == sender.version:
            return gateway
        zoned = sender.version == 6 and sender.is_link_local and interface
        return ipaddress.IPv6Address(f"{sender}%{interface}") if zoned else sender

    def _is_new(self, location: str, sender: IPAddress) -> bool:
        """Tell whether to fetch a location, as few as possible for each host.

        Once (D5), or twice if the first time failed.
        """
        is_default = sender == self._target.gateway
        if location in self._seen or (self._target.chosen and not is_default and sender.version == 4):
            return False
        others = sum(self._per_host.values()) - self._per_host[self._target.gateway or sender]
        if self._per_host[sender] >= MAX_LOCATIONS_OF_HOST or (not is_default and others >= MAX_LOCATIONS):
            return False
        self._seen.add(location)
        self._per_host[sender] += 1
        return True

    async def _describe(self, endpoint: Endpoint, search: Search, packet: SsdpPacket) -> None:
        # Any host can name a URL on the gateway. It is used only if the gateway itself does not answer. So
        # are other devices: there may be dozens, and their descriptions would delay the gateway's (D19).
        is_own = endpoint.address == self._with_zone(packet.sender)
        is_default = is_own and endpoint.address == self._target.gateway
        if not is_default and endpoint.address.version == 4 and await self._default_answers(endpoint.latency):
            return
        gateway = await self._found(endpoint, packet if is_default else None)
        if gateway is None:
            return
        if gateway.address == self._target.gateway:
            self._default_found.set()
            search.stop()  # every further answer would be rejected
        elif await self._default_answers(endpoint.latency):
            _log.debug("%s also answers, but is not the default gateway", endpoint.address)
            return
        self._outcomes.put_nowait(gateway)

    async def _found(self, endpoint: Endpoint, packet: SsdpPacket | None) -> IgdDevice | None:
        """Read the description, or leave it unread where another protocol serves the default gateway.

        `packet` is what the default gateway itself sent. Only a gateway may stay unread: other devices of the
        same host answer to upnp:rootdevice, too.
        """
        if packet is not None and endpoint.address in self._left_unread and ROOT_TARGET.search(packet.target):
            return late_gateway(endpoint, packet, self._connect_to)
        gateway = None
        for candidate in self._endpoints(endpoint):
            gateway = gateway or await self._connect(candidate)
        return gateway

    def _endpoints(self, endpoint: Endpoint) -> list[Endpoint]:
        """Return the endpoints to try for an answer, the default gateway first.

        Over IPv6 a router answers from any of its addresses that matches ours (from a global one while our
        link-local address is still tentative after boot). Any answer may therefore come from the default
        gateway, so request the same document from it first.
        """
        gateway = self._target.gateway
        if gateway is None or gateway.version == 4 or endpoint.address == gateway:
            return [endpoint]
        default = attrs.evolve(endpoint, address=gateway, location=by_address(endpoint.location, gateway))
        return [default] if self._target.chosen else [default, endpoint]

    async def _connect(self, endpoint: Endpoint) -> IgdDevice | None:
        try:
            return await self._connect_to(endpoint)
        except BackendError as error:
            _log.debug("%s: %s", endpoint.location, error)
            self._failure = error
            if endpoint.location not in self._failed and isinstance(error, NetworkFailure | GatewayTimeout):
                # A router that is busy or starting may have it a moment later: its next answer counts.
                self._seen.discard(endpoint.location)
            self._failed.add(endpoint.location)
            return None

    async def _default_answers(self, since: float) -> bool:
        """Tell whether the default gateway is found within its grace time."""
        if self._target.gateway is None:
            return False
        try:
            async with asyncio.timeout(max(GRACE - since, 0)):
                await self._default_found.wait()
        except TimeoutError:
            return self._default_found.is_set()
        return True


async def connect_to(url: str, target: Target, connect: Connect, ssdp_port: int) -> IgdDevice:
    """Connect to the description URL that the user typed; its host may be a name.

    Raises:
        BackendError: the host is not found, or is no internet gateway.
    """
    address = await _resolve(url)
    endpoint = Endpoint(
        by_address(url, address),
        address,
        target.local_address,
        ssdp_port=ssdp_port,
        interface=target.interface,
        searched=False,
    )
    return await connect(endpoint)


async def _resolve(url: str) -> IPAddress:
    """Resolve the host of a URL; return the first address."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(RESOLVE_TIME):
            # The percent sign before a zone is escaped in a URL (RFC 6874, section 2).
            host = (urlsplit(url).hostname or "").replace("%25", "%")
            found = await loop.getaddrinfo(host, None, type=socket.SOCK_STREAM)
        address = found[0][4]
        zone = f"%{address[3]}" if len(address) == 4 and address[3] else ""
        return ipaddress.ip_address(f"{address[0]}{zone}")
    except (OSError, ValueError) as error:
        raise NetworkFailure(f"the gateway's host is not found: {url!r}") from error
