"""The gateway for pinholes in an IPv6 firewall."""

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
from portmapper_upnp.device import Identity, IgdDevice, third_party_refused
from portmapper_upnp.endpoint import Endpoint
from portmapper_upnp.firewall import MAX_LEASE, UNKNOWN_PINHOLE, FirewallControl
from portmapper_upnp.soap_fault import NOT_AUTHORIZED, Fault

_log = logging.getLogger(__name__)

_PinholeKey = tuple[Protocol, IPAddress, int]


class PinholeGateway(IgdDevice, VerifiesLeases, MapsOtherHosts):
    """The WANIPv6FirewallControl service of one device, used from one local address.

    The service cannot list pinholes; it identifies each by an id that it assigns. After a restart a gateway
    may start again at 1, so an old id may belong to another pinhole. An id is therefore trusted only if the
    gateway assigned it in this session and has not assigned it to another pinhole since. Otherwise
    AddPinhole is called again: for an existing pinhole it renews the lease and returns the id.
    """

    def __init__(self, firewall: FirewallControl, endpoint: Endpoint, identity: Identity) -> None:
        super().__init__(endpoint, identity)
        self._firewall = firewall
        self._ids: dict[str, _PinholeKey] = {}
        self._allowed = False

    async def map(self, request: MapRequest) -> Lease:
        """Open a pinhole, or renew it in place.

        Raises:
            NotAuthorized: the gateway allows no pinholes, or none for that host.
            BackendError: any other refusal or failure.
        """
        if request.internal_address.version == 4:
            raise Unsupported("an IPv6 firewall has no port mappings")
        lifetime = min(request.lifetime or MAX_LEASE, MAX_LEASE)
        async with self.bounded():
            pinhole = await self._renew(request, lifetime) or await self._add(request, lifetime)
        return self.lease(
            request,
            external_port=request.internal_port,
            lifetime=lifetime,
            external_address=request.internal_address,
            private=pinhole,
        )

    async def unmap(self, lease: Lease) -> None:
        """Close a pinhole; ignore one that is gone."""
        key = _key(lease)
        async with self.bounded():
            try:
                await self._firewall.delete(await self._id_of(lease))
            except Fault as fault:
                if fault.number == NOT_AUTHORIZED and lease.internal_address != self.local_address:
                    raise third_party_refused(lease.internal_address, fault) from fault
                if fault.number not in UNKNOWN_PINHOLE:
                    raise
                _log.debug("the pinhole for %s is gone: %s", lease.internal_address, fault)
        self._ids = {pinhole: known for pinhole, known in self._ids.items() if known != key}

    async def external_address(self) -> IPAddress | None:
        """Return None: IPv6 pinholes translate no address."""
        return None

    async def holds(self, lease: Lease) -> bool:
        """Check that the gateway still has the pinhole; it does not report where it leads."""
        if self._ids.get(lease.private, _key(lease)) != _key(lease):
            return False
        async with self.bounded():
            return bool(lease.private) and await self._firewall.exists(lease.private)

    async def watch(self, notify: Callable[[GatewayEvent], None]) -> None:
        """Listen for announcements over IPv6; forget all ids at each event, as a restart reassigns them."""

        def on_event(event: GatewayEvent) -> None:
            self._ids.clear()
            notify(event)

        await super().watch(on_event)

    async def _renew(self, request: MapRequest, lifetime: int) -> str | None:
        """Renew the held pinhole by its id; return None if the id cannot be trusted."""
        held = request.held
        if held is None or held.gateway != self.identity or self._ids.get(held.private) != _key(request):
            return None
        if await self._firewall.update(held.private, lifetime):
            return held.private
        self._ids.pop(held.private, None)
        return None

    async def _add(self, request: MapRequest, lifetime: int) -> str:
        if not self._allowed:
            await self._firewall.check_allowed()
            self._allowed = True
        try:
            key = _key(request)
            pinhole = await self._firewall.add(*key, lifetime)
        except Fault as fault:
            self._allowed = False
            if fault.number == NOT_AUTHORIZED and request.internal_address != self.local_address:
                raise third_party_refused(request.internal_address, fault) from fault
            raise
        self._ids[pinhole] = key
        return pinhole

    async def _id_of(self, lease: Lease) -> str:
        """Return the id of a pinhole; call AddPinhole to get it if it cannot be trusted."""
        if self._ids.get(lease.private) == _key(lease):
            return lease.private
        return await self._firewall.add(*_key(lease), lifetime=1)


def _key(of: MapRequest | Lease) -> _PinholeKey:
    return (of.protocol, of.internal_address, of.internal_port)
