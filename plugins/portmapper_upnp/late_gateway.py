"""A gateway that answered a search, and is read only when something needs it.

While PCP or NAT-PMP opens every port of a device, a daemon loads neither aiohttp nor async-upnp-client.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from copy import copy
from typing import TYPE_CHECKING, cast

from portmapper.api import (
    BackendError,
    Connection,
    GatewayEvent,
    IPAddress,
    Learned,
    LearnsBehavior,
    Lease,
    MapRequest,
    MapsOtherHosts,
    NetworkFailure,
    TableEntry,
    Unsupported,
    VerifiesLeases,
)
from portmapper_upnp.device import Identity, IgdDevice, MapsPorts
from portmapper_upnp.endpoint import Endpoint
from portmapper_upnp.lazy_import import FACTORY, load
from portmapper_upnp.ssdp_packet import SsdpPacket

if TYPE_CHECKING:
    from portmapper_upnp.igd import IgdGateway
    from portmapper_upnp.pinholes import PinholeGateway

Connect = Callable[[Endpoint], Awaitable[IgdDevice]]
"""Reads the description at an endpoint; raises a `BackendError` if the device is no gateway."""


def late_gateway(endpoint: Endpoint, answer: SsdpPacket, connect: Connect) -> LateGateway:
    """Return a gateway for what answered a search, over either family."""
    kind = LateGateway if endpoint.local_address.version == 6 else LatePortMapper
    return kind(endpoint, answer, connect)


class LateGateway(IgdDevice, VerifiesLeases, MapsOtherHosts):
    """An unread gateway. Over IPv6, a gateway can do no more than this."""

    unread = True

    def __init__(self, endpoint: Endpoint, answer: SsdpPacket, connect: Connect) -> None:
        super().__init__(endpoint, Identity(0, name=answer.device, server=answer.server))
        self.protocol = "IGD"  # a device of version 2 also answers as version 1
        self._endpoint = endpoint
        self._connect = connect
        self._reading = asyncio.Lock()
        self._failure: BackendError | None = None
        self._device: IgdDevice | None = None
        self._learned: Learned | None = None

    async def map(self, request: MapRequest) -> Lease:
        """Create or renew a mapping. Raise `BackendError`."""
        return await (await self._read()).map(request)

    async def unmap(self, lease: Lease) -> None:
        """Close a mapping. Raise `BackendError`."""
        await (await self._read()).unmap(lease)

    async def external_address(self) -> IPAddress | None:
        """Query the external address. Raise `BackendError`."""
        return await (await self._read()).external_address()

    async def holds(self, lease: Lease) -> bool:
        """Check that the gateway has the lease. Raise `BackendError`."""
        return await cast("IgdGateway | PinholeGateway", await self._read()).holds(lease)

    async def watch(self, notify: Callable[[GatewayEvent], None]) -> None:
        """Listen for announcements, and for what else the gateway reports once it has been read."""
        if self._device is None:
            await super().watch(notify)
        else:
            self._notify = notify
            await self._device.watch(notify)

    async def close(self) -> None:
        """Stop listening."""
        await super().close()
        if self._device is not None:
            await self._device.close()

    async def _read(self) -> IgdDevice:
        """Return the gateway behind this one; read it the first time.

        A failure is that of all calls that waited for it: a silent gateway would be read for each in turn.
        """
        earlier = self._failure
        async with self._reading:
            if self._device is None:
                if self._failure is not None and self._failure is not earlier:
                    raise copy(self._failure)
                await load(FACTORY)  # not within the limit of a request: this may take seconds
                self._device = await self._described()
                await self._take_from(self._device)
            return self._device

    async def _described(self) -> IgdDevice:
        """Read the description within the limit of one request.

        If it is not a gateway's, another answer to the search may lead to the gateway. The core searches
        again after a `NetworkFailure`, and that search tries every answer.
        """
        try:
            async with self.bounded():
                return await self._connect(self._endpoint)
        except BackendError as error:
            self._failure = NetworkFailure(str(error)) if isinstance(error, Unsupported) else copy(error)
            raise copy(self._failure) from error

    async def _take_from(self, device: IgdDevice) -> None:
        """Show what the device tells about itself, and hand over what has been learned and heard so far."""
        self.unread = False
        self.protocol, self.model, self.page = device.protocol, device.model, device.page
        self.server = device.server or self.server
        if self._learned is not None and isinstance(device, LearnsBehavior):
            device.start_from(self._learned)
        device.continue_with(self._announcements)
        if self._notify is not None:
            await device.watch(self._notify)
            self._notify(GatewayEvent.IDENTIFIED)


class LatePortMapper(LateGateway, MapsPorts):
    """An unread gateway for port mappings over IPv4."""

    def start_from(self, learned: Learned) -> None:
        """Keep what earlier runs learned until the gateway is read."""
        self._learned = learned

    async def list_mappings(self) -> Sequence[TableEntry]:
        """Return all entries of the gateway's table. Raise `BackendError`."""
        return await (await self._igd()).list_mappings()

    async def table_may_have_changed(self) -> bool:
        """Query whether the table may have changed. Raise `BackendError`."""
        return await (await self._igd()).table_may_have_changed()

    async def connection(self) -> Connection:
        """Return what the gateway reports about its connection. Raise `BackendError`."""
        return await (await self._igd()).connection()

    async def _igd(self) -> IgdGateway:
        return cast("IgdGateway", await self._read())
