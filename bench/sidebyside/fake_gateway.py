"""Gateway that grants every request at once, to measure only the program itself."""

from __future__ import annotations

import ipaddress
from collections.abc import AsyncIterator
from typing import ClassVar

from portmapper.api.backend import Backend, Gateway, Target
from portmapper.api.hookspecs import hookimpl
from portmapper.api.model import IPAddress, Lease, MapRequest
from portmapper.network.host import DefaultRoute, Interface, Network

ROUTER = ipaddress.ip_address("192.168.88.1")
EXTERNAL_ADDRESS = ipaddress.ip_address("11.22.33.1")
LAN = Network(
    (Interface("eth0", (ipaddress.ip_interface("192.168.88.2/24"),)),), (DefaultRoute("eth0", ROUTER),)
)


class FakeGateway(Gateway):
    """Grants every request, and counts them.

    Attributes:
        requested: number of requests.
    """

    backend = "fake"
    protocol = "fake"
    address = ROUTER

    def __init__(self, local_address: IPAddress) -> None:
        self.local_address = local_address
        self.requested = 0

    async def map(self, request: MapRequest) -> Lease:
        """Grant the request."""
        self.requested += 1
        return Lease(
            protocol=request.protocol,
            internal_address=request.internal_address,
            internal_port=request.internal_port,
            external_port=request.external_port,
            external_address=EXTERNAL_ADDRESS,
            lifetime=request.lifetime,
            permanent=False,
            backend=self.backend,
            gateway=self.identity,
            token=request.token,
        )

    async def unmap(self, lease: Lease) -> None:
        """Count the request."""
        self.requested += 1

    async def external_address(self) -> IPAddress | None:
        """Return a fixed address."""
        return EXTERNAL_ADDRESS


class FakeBackend(Backend):
    """Finds the fake gateway.

    Attributes:
        gateway: the gateway found last.
    """

    name: ClassVar[str] = "fake"
    gateway: FakeGateway

    async def discover(self, target: Target) -> AsyncIterator[Gateway]:
        """Yield the gateway at once."""
        self.gateway = FakeGateway(target.local_address)
        yield self.gateway


@hookimpl
def portmapper_register_backends() -> list[type[Backend]]:
    """Register the backend `fake`, if this module is a plugin."""
    return [FakeBackend]
