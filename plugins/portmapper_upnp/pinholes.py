"""A UPnP internet gateway device as the core sees it over IPv6: pinholes in its firewall."""

from __future__ import annotations

import logging
from collections.abc import Callable

from portmapper.api import (
    GatewayEvent,
    IPAddress,
    Lease,
    MapRequest,
    MapsOtherHosts,
    Protocol,
    Unsupported,
    VerifiesLeases,
)
from portmapper_upnp.device import Identity, IgdDevice, only_itself
from portmapper_upnp.faults import NOT_AUTHORIZED, Fault
from portmapper_upnp.firewall import LONGEST_LEASE, UNKNOWN_PINHOLE, FirewallControl
from portmapper_upnp.location_check import Place

_log = logging.getLogger(__name__)

_Hole = tuple[Protocol, IPAddress, int]


class PinholeGateway(IgdDevice, VerifiesLeases, MapsOtherHosts):
    """The WANIPv6FirewallControl service of one device, asked from one address of ours.

    The service can list nothing, and knows a pinhole by a number that it makes up. After a restart
    miniupnpd begins again at 1, so a number of before may be another pinhole's by now. It is therefore
    used only while the gateway gave it in this session, and to nothing else since; otherwise
    AddPinhole asks for it again: of a pinhole that stands it renews the lease and returns the number.
    """

    def __init__(self, firewall: FirewallControl, place: Place, identity: Identity) -> None:
        super().__init__(place, identity)
        self._firewall = firewall
        self._given: dict[str, _Hole] = {}
        self._allowed = False

    async def map(self, request: MapRequest) -> Lease:
        """Open a pinhole, or renew it in place.

        Raises:
            NotAuthorized: nobody may open one here, or not for that host.
            BackendError: any other refusal or failure.
        """
        if request.internal_address.version == 4:
            raise Unsupported("an IPv6 firewall has no port mappings")
        lifetime = min(request.lifetime or LONGEST_LEASE, LONGEST_LEASE)
        async with self.bounded():
            pinhole = await self._renew(request, lifetime) or await self._add(request, lifetime)
        return Lease(
            protocol=request.protocol,
            internal_address=request.internal_address,
            internal_port=request.internal_port,
            external_port=request.internal_port,
            external_address=request.internal_address,
            lifetime=lifetime,
            permanent=False,
            backend=self.backend,
            gateway=self.identity,
            token=request.token,
            private=pinhole,
        )

    async def unmap(self, lease: Lease) -> None:
        """Close a pinhole; one that is gone is left alone."""
        hole = _hole(lease)
        async with self.bounded():
            try:
                await self._firewall.delete(await self._number_of(lease))
            except Fault as fault:
                if fault.number == NOT_AUTHORIZED and lease.internal_address != self.local_address:
                    raise only_itself(lease.internal_address, fault) from fault
                if fault.number not in UNKNOWN_PINHOLE:
                    raise
                _log.debug("the pinhole to %s is gone: %s", lease.internal_address, fault)
        self._given = {number: given for number, given in self._given.items() if given != hole}

    async def external_address(self) -> IPAddress | None:
        """Return None: nothing is translated."""
        return None

    async def holds(self, lease: Lease) -> bool:
        """Ask the gateway whether it still has the pinhole (it does not tell where it leads)."""
        if self._given.get(lease.private, _hole(lease)) != _hole(lease):
            return False
        async with self.bounded():
            return bool(lease.private) and await self._firewall.stands(lease.private)

    async def watch(self, notify: Callable[[GatewayEvent], None]) -> None:
        """Listen for announcements over IPv6; after a restart no number is what it was."""

        def told(event: GatewayEvent) -> None:
            self._given.clear()
            notify(event)

        await super().watch(told)

    async def _renew(self, request: MapRequest, lifetime: int) -> str | None:
        """Renew the pinhole that the request holds; None when its number is not to be relied on."""
        held = request.held
        if held is None or held.gateway != self.identity or self._given.get(held.private) != _hole(request):
            return None
        if await self._firewall.update(held.private, lifetime):
            return held.private
        self._given.pop(held.private, None)
        return None

    async def _add(self, request: MapRequest, lifetime: int) -> str:
        if not self._allowed:
            await self._firewall.check_allowed()
            self._allowed = True
        try:
            hole = _hole(request)
            pinhole = await self._firewall.add(*hole, lifetime)
        except Fault as fault:
            self._allowed = False
            if fault.number == NOT_AUTHORIZED and request.internal_address != self.local_address:
                raise only_itself(request.internal_address, fault) from fault
            raise
        self._given[pinhole] = hole
        return pinhole

    async def _number_of(self, lease: Lease) -> str:
        """Return the number of a pinhole, asked for where it is not known for sure."""
        if self._given.get(lease.private) == _hole(lease):
            return lease.private
        return await self._firewall.add(*_hole(lease), lifetime=1)


def _hole(of: MapRequest | Lease) -> _Hole:
    return (of.protocol, of.internal_address, of.internal_port)
