"""A device in memory as backends reach it, over one protocol or several."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence

from portmapper.api.backend import (
    Backend,
    Gateway,
    GatewayEvent,
    ListsMappings,
    MapsOtherHosts,
    Target,
    VerifiesLeases,
    WatchesGateway,
)
from portmapper.api.model import IPAddress, Lease, MapRequest, TableEntry
from portmapper.testing.fake_device import FakeDevice


class FakeGateway(Gateway, WatchesGateway):
    """A device as one protocol reaches it; it cannot list, as PCP and NAT-PMP cannot."""

    def __init__(
        self, device: FakeDevice, backend: str, local_address: IPAddress, location: str | None = None
    ) -> None:
        self.device = device
        self.backend = backend
        self.protocol = backend.upper()
        self.address = device.address
        self.local_address = local_address
        self.location = location
        self.one_per_internal_port = device.one_per_internal_port
        self.closed = False
        self._notify: Callable[[GatewayEvent], None] | None = None

    async def map(self, request: MapRequest) -> Lease:
        """Ask the device."""
        return await self.device.map(self, request)

    async def unmap(self, lease: Lease) -> None:
        """Ask the device."""
        await self.device.unmap(self, lease)

    async def external_address(self) -> IPAddress | None:
        """Ask the device."""
        await self.device.answer()
        return self.device.external

    async def watch(self, notify: Callable[[GatewayEvent], None]) -> None:
        """Listen to the device."""
        self._notify = notify
        self.device.watch(notify)

    async def close(self) -> None:
        """Listen no more."""
        self.closed = True
        self.device.unwatch(self._notify)


class FakeListingGateway(FakeGateway, ListsMappings, VerifiesLeases, MapsOtherHosts):
    """A device whose table can be read and that maps for other hosts, as UPnP does."""

    async def list_mappings(self) -> Sequence[TableEntry]:
        """Ask the device."""
        await self.device.answer()
        return self.device.entries()

    async def holds(self, lease: Lease) -> bool:
        """Ask the device."""
        await self.device.answer()
        return self.device.holds(lease)


class FakeBackend(Backend):
    """Finds devices. Change its attributes, and the next search goes so.

    Attributes:
        devices: those that answer, in this order.
        kind: what a device is reached as.
        error: why the search finds none.
        delay: seconds before the first answer.
        endless: the search never ends by itself.
        location: where the description of each gateway lies.
        searches: how often it searched.
        found: every gateway object handed out.
    """

    def __init__(
        self, name: str, *devices: FakeDevice, kind: type[FakeGateway] = FakeGateway, delay: float = 0.0
    ) -> None:
        self.name = name  # type: ignore[misc]
        self.devices = devices
        self.kind = kind
        self.delay = delay
        self.error: Exception | None = None
        self.endless = False
        self.location: str | None = None
        self.searches = 0
        self.found: list[FakeGateway] = []
        self.closed = False

    async def discover(self, target: Target) -> AsyncIterator[Gateway]:
        """Yield the devices that are not silent."""
        self.searches += 1
        await asyncio.sleep(self.delay)
        if self.error is not None:
            raise self.error
        for device in self.devices:
            if not device.silent:
                self.found.append(self.kind(device, self.name, target.local_address, self.location))
                yield self.found[-1]
        if self.endless:
            await asyncio.Event().wait()

    async def close(self) -> None:
        """Remember it."""
        self.closed = True
