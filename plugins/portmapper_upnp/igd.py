"""The gateway for port mappings over IPv4."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from portmapper.api import (
    IPAddress,
    Lease,
    ListsMappings,
    MapRequest,
    MapsOtherHosts,
    NetworkFailure,
    TableEntry,
    Unsupported,
    VerifiesLeases,
)
from portmapper_upnp.add_mapping import AddMapping, DeviceBehavior, Granted
from portmapper_upnp.connection import WanConnection
from portmapper_upnp.device import Identity, IgdDevice
from portmapper_upnp.endpoint import Endpoint
from portmapper_upnp.soap_fault import Fault
from portmapper_upnp.table import read_table

LIST_TIME = 60.0
_log = logging.getLogger(__name__)


class IgdGateway(IgdDevice, ListsMappings, VerifiesLeases, MapsOtherHosts):
    """One WAN connection service of one device."""

    def __init__(self, connection: WanConnection, endpoint: Endpoint, identity: Identity) -> None:
        super().__init__(endpoint, identity)
        self._connection = connection
        self._behavior = DeviceBehavior.of(identity.server)
        self._verified = False
        self._external: IPAddress | None = None
        self._external_queried = False
        self._connected = True

    async def map(self, request: MapRequest) -> Lease:
        """Create or renew a mapping.

        Raises:
            Conflict: another host holds the port; `holder` is set if the gateway reports it.
            BackendError: any other refusal or failure.
        """
        if request.internal_address.version == 6:
            raise Unsupported("port mappings over UPnP are for IPv4")
        async with self.bounded():
            granted = await AddMapping(self._connection, self._behavior, request, self.local_address).open()
            if not self._verified:
                granted = await self._verify_first(request, granted)
            await self._close_previous(request, granted)
            return self._lease(request, granted, await self._known_external_address())

    async def unmap(self, lease: Lease) -> None:
        """Close a mapping, unless it is gone or another host holds the port now."""
        async with self.bounded():
            await self._delete(lease)

    async def external_address(self) -> IPAddress | None:
        """Query the external address; None if the connection is down (S5)."""
        async with self.bounded():
            self._external = await self._connection.external_address()
            self._external_queried = True
            self._log_connection_state()
            return self._external

    async def hides_address(self) -> bool:
        """Tell whether the gateway is connected but reports no address, as behind another NAT."""
        async with self.bounded():
            return await self._connection.hides_address()

    async def list_mappings(self) -> Sequence[TableEntry]:
        """Return all entries of the gateway's table."""
        async with self.bounded(LIST_TIME):
            return await read_table(self._connection)

    async def holds(self, lease: Lease) -> bool:
        """Check that the lease is in the gateway's table, enabled, for our address and port (M15)."""
        async with self.bounded():
            entry = await self._connection.entry(lease.protocol, lease.external_port, enabled_only=True)
            held = entry is not None and _matches(entry, lease.internal_address, lease.internal_port)
            # A gateway that lost one lease may hold no finite lease at all: verify the next one again.
            self._verified = self._verified and held
            return held

    async def _verify_first(self, request: MapRequest, granted: Granted) -> Granted:
        """Check that the gateway holds the mapping it granted; if not, retry with a permanent lease (M15)."""
        if not await self._is_in_table(request, granted):
            _log.warning(
                "gateway %s granted a mapping but does not hold it; retrying with a permanent lease",
                self.address,
            )
            self._behavior.permanent_only = True
            granted = await AddMapping(self._connection, self._behavior, request, self.local_address).open()
            if not await self._is_in_table(request, granted):
                self._behavior.permanent_only = False
                raise NetworkFailure("the gateway grants the mapping but does not hold it")
        self._verified = True
        return granted

    async def _close_previous(self, request: MapRequest, granted: Granted) -> None:
        """Close the previous external port of the lease after a change: UPnP keeps both open."""
        held = request.held
        if held is None or held.gateway != self.identity or held.external_port == granted.external_port:
            return
        try:
            await self._delete(held)
        except Fault as fault:
            _log.debug("the previous port %d is not closed: %s", held.external_port, fault)

    async def _delete(self, lease: Lease) -> None:
        try:
            entry = await self._connection.entry(lease.protocol, lease.external_port)
        except Fault as fault:
            _log.debug("the gateway does not report the holder of port %d: %s", lease.external_port, fault)
        else:
            if entry is None:
                return
            if not _matches(entry, lease.internal_address, lease.internal_port):
                _log.debug("another host holds port %d now; not closing it", lease.external_port)
                return
        await self._connection.delete(lease.protocol, lease.external_port)

    async def _is_in_table(self, request: MapRequest, granted: Granted) -> bool:
        try:
            entry = await self._connection.entry(request.protocol, granted.external_port, enabled_only=True)
        except Fault as fault:
            _log.debug("the gateway does not report the mapping: %s", fault)
            return True
        return entry is not None and _matches(entry, request.internal_address, request.internal_port)

    async def _known_external_address(self) -> IPAddress | None:
        """Return the last known external address; query it only once, and ignore a failure."""
        if not self._external_queried:
            self._external_queried = True
            try:
                self._external = await self._connection.external_address()
            except Fault as fault:
                _log.debug("the gateway does not report its external address: %s", fault)
        return self._external

    def _log_connection_state(self) -> None:
        """Log a warning each time the gateway loses its external address (S5)."""
        if self._external is None and self._connected:
            _log.warning("gateway %s is not connected: it has no external address", self.address)
        self._connected = self._external is not None

    def _lease(self, request: MapRequest, granted: Granted, external: IPAddress | None) -> Lease:
        return self.lease(
            request, external_port=granted.external_port, lifetime=granted.lifetime, external_address=external
        )


def _matches(entry: TableEntry, address: IPAddress, port: int) -> bool:
    """Tell whether an entry maps to an address and port; compare only the port if it has no address."""
    return entry.internal_port == port and entry.internal_address in (address, None)
