"""A gateway that grants everything at no cost, so that only the program itself is measured."""

from __future__ import annotations

import ipaddress
from collections.abc import AsyncIterator
from typing import ClassVar

from portmapper.api.backend import Backend, Gateway, Target
from portmapper.api.model import IPAddress, Lease, MapRequest
from portmapper.network.host import DefaultRoute, Interface, Network

ROUTER = ipaddress.ip_address("192.168.88.1")
OUTSIDE = ipaddress.ip_address("11.22.33.1")
LAN = Network(
    (Interface("eth0", (ipaddress.ip_interface("192.168.88.2/24"),)),), (DefaultRoute("eth0", ROUTER),)
)


class GrantingGateway(Gateway):
    """Remembers nothing but how often it was asked.

    Attributes:
        asked: requests so far.
    """

    backend = "granting"
    protocol = "granting"
    address = ROUTER

    def __init__(self, local_address: IPAddress) -> None:
        self.local_address = local_address
        self.requested = 0

    async def map(self, request: MapRequest) -> Lease:
        """Grant it."""
        self.requested += 1
        return Lease(
            protocol=request.protocol,
            internal_address=request.internal_address,
            internal_port=request.internal_port,
            external_port=request.external_port,
            external_address=OUTSIDE,
            lifetime=request.lifetime,
            permanent=False,
            backend=self.backend,
            gateway=self.identity,
            token=request.token,
        )

    async def unmap(self, lease: Lease) -> None:
        """Close it."""
        self.requested += 1

    async def external_address(self) -> IPAddress | None:
        """Tell it."""
        return OUTSIDE


class GrantingBackend(Backend):
    """Finds that one gateway.

    Attributes:
        gateway: the one found last.
    """

    name: ClassVar[str] = "granting"
    gateway: GrantingGateway

    async def discover(self, target: Target) -> AsyncIterator[Gateway]:
        """Yield it at once."""
        self.gateway = GrantingGateway(target.local_address)
        yield self.gateway
