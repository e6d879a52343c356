"""A UPnP internet gateway device as the core sees it: port mappings over IPv4."""

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
from portmapper_upnp.add_mapping import Granted, Habits, Opening
from portmapper_upnp.connection import WanConnection
from portmapper_upnp.device import Identity, IgdDevice
from portmapper_upnp.faults import Fault
from portmapper_upnp.location_check import Place
from portmapper_upnp.table import read_table

LIST_TIME = 60.0
_log = logging.getLogger(__name__)


class IgdGateway(IgdDevice, ListsMappings, VerifiesLeases, MapsOtherHosts):
    """One WAN connection service of one device."""

    def __init__(self, connection: WanConnection, place: Place, identity: Identity) -> None:
        super().__init__(place, identity)
        self._connection = connection
        self._habits = Habits.of(identity.server)
        self._verified = False
        self._external: IPAddress | None = None
        self._external_asked = False
        self._connected = True

    async def map(self, request: MapRequest) -> Lease:
        """Create or renew a mapping.

        Raises:
            Conflict: another host holds the port; `holder` tells which where the gateway does.
            BackendError: any other refusal or failure.
        """
        if request.internal_address.version == 6:
            raise Unsupported("port mappings over UPnP are for IPv4")
        async with self.bounded():
            granted = await Opening(self._connection, self._habits, request, self.local_address).open()
            if not self._verified:
                granted = await self._verify_first(request, granted)
            await self._close_former(request, granted)
            return self._lease(request, granted, await self._known_external_address())

    async def unmap(self, lease: Lease) -> None:
        """Close a mapping; one that is gone, or another host's by now, is left alone."""
        async with self.bounded():
            await self._delete(lease)

    async def external_address(self) -> IPAddress | None:
        """Ask for the outside address; None when the connection is down (S5)."""
        async with self.bounded():
            self._external = await self._connection.external_address()
            self._external_asked = True
            self._say_whether_connected()
            return self._external

    async def hides_address(self) -> bool:
        """Tell whether the gateway is connected and shows no address, as behind another NAT."""
        async with self.bounded():
            return await self._connection.hides_address()

    async def list_mappings(self) -> Sequence[TableEntry]:
        """Return the whole table."""
        async with self.bounded(LIST_TIME):
            return await read_table(self._connection)

    async def holds(self, lease: Lease) -> bool:
        """Ask the gateway whether the lease stands, switched on, for our address and port (M15)."""
        async with self.bounded():
            entry = await self._connection.entry(lease.protocol, lease.external_port, enabled_only=True)
            held = entry is not None and _matches(entry, lease.internal_address, lease.internal_port)
            # A gateway that lost one lease may hold no finite one: the next is looked at again.
            self._verified = self._verified and held
            return held

    async def _verify_first(self, request: MapRequest, granted: Granted) -> Granted:
        """Look whether this gateway holds what it says it grants; a second try is permanent (M15)."""
        if not await self._stands(request, granted):
            _log.warning(
                "the gateway %s does not hold what it granted; trying a permanent lease", self.address
            )
            self._habits.permanent_only = True
            granted = await Opening(self._connection, self._habits, request, self.local_address).open()
            if not await self._stands(request, granted):
                self._habits.permanent_only = False
                raise NetworkFailure("the gateway grants the mapping but does not hold it")
        self._verified = True
        return granted

    async def _close_former(self, request: MapRequest, granted: Granted) -> None:
        """Close the port that the lease had before, once it has another: UPnP keeps both."""
        held = request.held
        if held is None or held.gateway != self.identity or held.external_port == granted.external_port:
            return
        try:
            await self._delete(held)
        except Fault as fault:
            _log.debug("port %d, held before, is not closed: %s", held.external_port, fault)

    async def _delete(self, lease: Lease) -> None:
        try:
            entry = await self._connection.entry(lease.protocol, lease.external_port)
        except Fault as fault:
            _log.debug("the gateway does not tell who holds the port: %s", fault)
        else:
            if entry is None:
                return
            if not _matches(entry, lease.internal_address, lease.internal_port):
                _log.debug("port %d is another host's now; left alone", lease.external_port)
                return
        await self._connection.delete(lease.protocol, lease.external_port)

    async def _stands(self, request: MapRequest, granted: Granted) -> bool:
        try:
            entry = await self._connection.entry(request.protocol, granted.external_port, enabled_only=True)
        except Fault as fault:
            _log.debug("the gateway does not let us look at the mapping: %s", fault)
            return True
        return entry is not None and _matches(entry, request.internal_address, request.internal_port)

    async def _known_external_address(self) -> IPAddress | None:
        """Return the outside address as last told; asked for once, a mapping does not fail for it."""
        if not self._external_asked:
            self._external_asked = True
            try:
                self._external = await self._connection.external_address()
            except Fault as fault:
                _log.debug("the gateway does not tell its external address: %s", fault)
        return self._external

    def _say_whether_connected(self) -> None:
        """Warn, once for each time, that the gateway has no outside address (S5)."""
        if self._external is None and self._connected:
            _log.warning("the gateway %s is not connected: it has no external address", self.address)
        self._connected = self._external is not None

    def _lease(self, request: MapRequest, granted: Granted, external: IPAddress | None) -> Lease:
        return Lease(
            protocol=request.protocol,
            internal_address=request.internal_address,
            internal_port=request.internal_port,
            external_port=granted.external_port,
            external_address=external,
            lifetime=granted.lifetime,
            permanent=granted.lifetime == 0,
            backend=self.backend,
            gateway=self.identity,
            token=request.token,
        )


def _matches(entry: TableEntry, address: IPAddress, port: int) -> bool:
    """Tell whether an entry leads there; where the gateway names no address the port has to do."""
    return entry.internal_port == port and entry.internal_address in (address, None)
