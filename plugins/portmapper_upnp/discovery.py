"""Finds the gateways of one target: search, describe, and prefer the default gateway."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import socket
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import attrs

from portmapper.api import BackendError, IPAddress, NetworkFailure, Target
from portmapper_upnp.location import by_address
from portmapper_upnp.location_check import Place
from portmapper_upnp.search import Datagram, Search

if TYPE_CHECKING:
    import aiohttp

    from portmapper_upnp.device import IgdDevice

MAX_LOCATIONS = 16
"""Different descriptions fetched in one search, of all hosts but the default gateway."""

MAX_LOCATIONS_OF_HOST = 8
"""A FRITZ!Box has seven root devices, of which one or two are internet gateways."""

RESOLVE_TIME = 5.0
"""Seconds for the name of a host that the user typed."""

GRACE = 0.6
"""Seconds in which the default gateway may answer before another device is taken (D9)."""

_log = logging.getLogger(__name__)


class Discovery:
    """One search under way."""

    def __init__(self, target: Target, session: aiohttp.ClientSession, ssdp_port: int) -> None:
        self._target = target
        self._session = session
        self._ssdp_port = ssdp_port
        self._seen: set[str] = set()
        self._per_host: Counter[IPAddress] = Counter()
        self._yielded: set[IPAddress] = set()
        self._default_found = asyncio.Event()
        self._outcomes: asyncio.Queue[IgdDevice | None] = asyncio.Queue()
        self._failure: BackendError | None = None

    async def gateways(self, search: Search) -> AsyncGenerator[IgdDevice, None]:
        """Yield each gateway that answers the search; raise why the last was none, if none was any."""
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
                    self._consider(datagram, group)
        finally:
            self._outcomes.put_nowait(None)

    def _consider(self, datagram: Datagram, group: asyncio.TaskGroup) -> None:
        from portmapper_upnp.connect import read_packet

        packet = read_packet(datagram.data, datagram.sender)
        if packet is None or packet.location is None:
            return
        sender = self._named(packet.sender)
        if not self._is_new(packet.location, sender):
            return
        place = Place(
            location=packet.location,
            address=sender,
            local_address=self._target.local_address,
            latency=datagram.at,
            boot_id=packet.boot_id,
            ssdp_port=self._ssdp_port,
            interface=self._target.interface,
        )
        group.create_task(self._describe(place))

    def _named(self, sender: IPAddress) -> IPAddress:
        """Return a link-local sender with the zone that the gateway has, or that of our interface."""
        gateway, interface = self._target.gateway, self._target.interface
        if gateway is not None and int(gateway) == int(sender) and gateway.version == sender.version:
            return gateway
        zoned = sender.version == 6 and sender.is_link_local and interface
        return ipaddress.IPv6Address(f"{sender}%{interface}") if zoned else sender

    def _is_new(self, location: str, sender: IPAddress) -> bool:
        """Tell whether to fetch it: not twice (D5), and not for whoever sends ever new ones."""
        is_default = sender == self._target.gateway
        if location in self._seen or (self._target.chosen and not is_default and sender.version == 4):
            return False
        others = sum(self._per_host.values()) - self._per_host[self._target.gateway or sender]
        if self._per_host[sender] >= MAX_LOCATIONS_OF_HOST or (not is_default and others >= MAX_LOCATIONS):
            return False
        self._seen.add(location)
        self._per_host[sender] += 1
        return True

    async def _describe(self, place: Place) -> None:
        gateway = None
        for there in self._places(place):
            gateway = gateway or await self._connect(there)
        if gateway is None:
            return
        if gateway.address == self._target.gateway:
            self._default_found.set()
        elif await self._default_answers(place.latency):
            _log.debug("%s also answers, but is not the default gateway", place.address)
            return
        self._outcomes.put_nowait(gateway)

    def _places(self, place: Place) -> list[Place]:
        """Return where to look for what answered, the default gateway first.

        Over IPv6 it answers from whichever of its addresses fits ours (from a global one, while our
        link-local one is still tentative after boot), so whoever answers, it may have been the gateway:
        it is asked for the same document.
        """
        gateway = self._target.gateway
        if gateway is None or gateway.version == 4 or place.address == gateway:
            return [place]
        there = attrs.evolve(place, address=gateway, location=by_address(place.location, gateway))
        return [there] if self._target.chosen else [there, place]

    async def _connect(self, place: Place) -> IgdDevice | None:
        from portmapper_upnp.connect import connect

        try:
            return await connect(self._session, place)
        except BackendError as error:
            _log.debug("%s: %s", place.location, error)
            self._failure = error
            return None

    async def _default_answers(self, since: float) -> bool:
        """Tell whether the default gateway is found too, within the grace that it gets."""
        if self._target.gateway is None:
            return False
        try:
            async with asyncio.timeout(max(GRACE - since, 0)):
                await self._default_found.wait()
        except TimeoutError:
            return self._default_found.is_set()
        return True


async def connect_to(url: str, target: Target, session: aiohttp.ClientSession, ssdp_port: int) -> IgdDevice:
    """Make a gateway of the URL that the user typed; its host may be a name.

    Raises:
        BackendError: the host is not found, or is no internet gateway.
    """
    from portmapper_upnp.connect import connect

    address = await _resolve(url)
    place = Place(
        by_address(url, address),
        address,
        target.local_address,
        ssdp_port=ssdp_port,
        interface=target.interface,
        searched=False,
    )
    return await connect(session, place)


async def _resolve(url: str) -> IPAddress:
    """Return the address of the URL's host, the first that the resolver gives."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(RESOLVE_TIME):
            # in a URL the sign before a zone is escaped (RFC 6874, section 2)
            host = (urlsplit(url).hostname or "").replace("%25", "%")
            found = await loop.getaddrinfo(host, None, type=socket.SOCK_STREAM)
        address = found[0][4]
        zone = f"%{address[3]}" if len(address) == 4 and address[3] else ""
        return ipaddress.ip_address(f"{address[0]}{zone}")
    except (OSError, ValueError) as error:
        raise NetworkFailure(f"the gateway's host is not found: {url!r}") from error
