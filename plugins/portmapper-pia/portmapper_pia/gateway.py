"""The VPN gateway, with the one port that it forwards."""

from __future__ import annotations

from portmapper.api import Gateway, IPAddress, Lease, MapRequest
from portmapper_pia.port_keeper import PortKeeper
from portmapper_pia.service import Service

LIFETIME = 1440
"""A lease is renewed at 5/8 of its lifetime at the latest, so the port is bound every 15 minutes."""


class PiaGateway(Gateway):
    """A gateway of the provider. It forwards the granted port to the same port number of this host."""

    backend = "pia"
    protocol = "PIA port forwarding"
    concurrency = 1

    def __init__(self, address: IPAddress, local: IPAddress, service: Service, keeper: PortKeeper) -> None:
        self.address = address
        self.local_address = local
        self._service = service
        self._keeper = keeper

    async def map(self, request: MapRequest) -> Lease:
        """Bind the granted port. It is the provider's choice.

        Raises:
            Conflict: only another port is acceptable.
            NoResources: another mapping uses the port.
        """
        port, seconds = await self._keeper.bind(self._service, request)
        return self.lease(request, external_port=port, lifetime=int(min(LIFETIME, seconds)), permanent=False)

    async def unmap(self, lease: Lease) -> None:
        """Stop binding the port; the provider forwards it for up to 15 minutes more."""
        self._keeper.release(lease)

    async def external_address(self) -> IPAddress | None:
        """Return None: the service has no request for the address."""
        return None
