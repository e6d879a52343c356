"""A backend and gateways for `FakeDevice`, so that a device can be reached over one or several protocols."""

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
    """A device reached over one protocol; it cannot list mappings, like PCP and NAT-PMP."""

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
        """Send the request to the device."""
        return await self.device.map(self, request)

    async def unmap(self, lease: Lease) -> None:
        """Send the request to the device."""
        await self.device.unmap(self, lease)

    async def external_address(self) -> IPAddress | None:
        """Query the device."""
        await self.device.answer()
        return self.device.external

    async def watch(self, notify: Callable[[GatewayEvent], None]) -> None:
        """Subscribe to the device's events."""
        self._notify = notify
        self.device.watch(notify)

    async def close(self) -> None:
        """Unsubscribe from the device's events."""
        self.closed = True
        self.device.unwatch(self._notify)


class FakeListingGateway(FakeGateway, ListsMappings, VerifiesLeases, MapsOtherHosts):
    """A device that lists and verifies mappings and maps for other hosts, like UPnP."""

    async def list_mappings(self) -> Sequence[TableEntry]:
        """Query the device."""
        await self.device.answer()
        return self.device.entries()

    async def holds(self, lease: Lease) -> bool:
        """Query the device."""
        await self.device.answer()
        return self.device.holds(lease)


class FakeBackend(Backend):
    """A backend that finds fake devices. Changed attributes take effect with the next search.

    Attributes:
        devices: the devices that answer, in this order.
        kind: the class of the gateway objects.
        error: an error that the search raises.
        delay: seconds before the first answer.
        endless: whether the search never ends by itself.
        location: the URL of each gateway's description.
        server: the software that each gateway says it runs.
        searches: the number of searches so far.
        found: every gateway object that a search has yielded.
        closed: whether the backend has been closed.
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
        self.server = ""
        self.searches = 0
        self.found: list[FakeGateway] = []
        self.closed = False

    async def discover(self, target: Target) -> AsyncIterator[Gateway]:
        """Yield a gateway for each device that is not silent."""
        self.searches += 1
        await asyncio.sleep(self.delay)
        if self.error is not None:
            raise self.error
        for device in self.devices:
            if not device.silent:
                self.found.append(self.kind(device, self.name, target.local_address, self.location))
                self.found[-1].server = self.server
                yield self.found[-1]
        if self.endless:
            await asyncio.Event().wait()

    async def close(self) -> None:
        """Set `closed`."""
        self.closed = True
