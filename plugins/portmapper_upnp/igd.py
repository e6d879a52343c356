"""The gateway for port mappings over IPv4."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import TypeVar

from portmapper.api import (
    UNREACHABLE,
    BackendError,
    Conflict,
    Connection,
    GatewayEvent,
    IPAddress,
    Learned,
    Lease,
    MapRequest,
    NoResources,
    NotAuthorized,
    TableEntry,
    Unsupported,
)
from portmapper_upnp.add_request import Granted
from portmapper_upnp.behavior import DeviceBehavior
from portmapper_upnp.close_mapping import close_mapping
from portmapper_upnp.connection import WanConnection, remote_host
from portmapper_upnp.connection_details import WanLink, read_details
from portmapper_upnp.device import CALL_TIME, Identity, IgdDevice, MapsPorts
from portmapper_upnp.endpoint import Endpoint
from portmapper_upnp.igd_watch import IgdWatch
from portmapper_upnp.learned_behavior import LearnedBehavior
from portmapper_upnp.soap_fault import ACTION_FAILED, INVALID_ACTION, NOT_AUTHORIZED, Moved, Refused
from portmapper_upnp.table import read_table
from portmapper_upnp.verified_mapping import ShowsNothing, VerifiedMapping, entry_leads_to

LIST_TIME = 60.0
"""Seconds for a whole table; the core allows a little more."""

READ_AGAIN_AFTER = 30.0
"""Seconds between two reads of the description because of a refusal."""

_POLICY = (NotAuthorized, NoResources, Conflict)
"""Refusals that the next service would repeat, unless their code is 501."""

_log = logging.getLogger(__name__)

Answer = TypeVar("Answer")


class IgdGateway(IgdDevice, MapsPorts):
    """The WAN connection services of one device; one of them is used."""

    def __init__(
        self,
        connections: Sequence[WanConnection],
        endpoint: Endpoint,
        identity: Identity,
        read_again: Callable[[], Awaitable[Sequence[WanConnection]]],
        link: Callable[[], Awaitable[WanLink]],
    ) -> None:
        super().__init__(endpoint, identity)
        self._connections = list(connections)
        self._read_again = read_again
        self._link = link
        self._read_again_at = 0.0
        self._works = False
        self._behavior = DeviceBehavior()
        self._device = "|".join((identity.server, identity.model, identity.name))
        self._learned: LearnedBehavior | None = None
        self._external: IPAddress | None = None
        self._external_queried = False
        self._connected = True
        self._watch = IgdWatch(endpoint)

    @property
    def _connection(self) -> WanConnection:
        return self._connections[0]

    def start_from(self, learned: Learned) -> None:
        """Use the refusals of earlier runs."""
        self._learned = LearnedBehavior(learned, self._device)
        self._behavior = self._learned.read()
        self._find_as_learned()

    def _find_as_learned(self) -> None:
        for connection in self._connections:
            connection.lookup.any_host = self._behavior.any_host

    async def map(self, request: MapRequest) -> Lease:
        """Create or renew a mapping.

        Raises:
            Conflict: another host holds the port; `holder` is set if the gateway reports it.
            BackendError: any other refusal or failure.
        """
        if request.internal_address.version == 6:
            raise Unsupported("port mappings over UPnP are for IPv4")
        async with self.bounded():
            granted = await self._current(lambda: self._open(request))
            self._watch.opened(self._connection, new=request.held is None)
            await self._close_previous(request, granted)
            return self._lease(request, granted, await self._known_external_address())

    async def unmap(self, lease: Lease) -> None:
        """Close a mapping, unless another host holds the port now."""
        async with self.bounded():
            await self._current(lambda: self._delete(lease))

    async def external_address(self) -> IPAddress | None:
        """Query the external address; None if the connection is down (S5)."""
        self._external_queried = True
        if self._watch.address_is_current() and self._external is not None:
            return self._external
        async with self.bounded():
            self._external = await self._current(self._query_external_address)
            self._log_connection_state()
            return self._external

    async def watch(self, notify: Callable[[GatewayEvent], None]) -> None:
        """Listen for announcements; also report what the gateway's events tell, once a port is open there."""
        await super().watch(self._watch.listen(notify))

    async def close(self) -> None:
        """Stop listening for announcements and events."""
        await super().close()
        await self._watch.close()

    @contextlib.asynccontextmanager
    async def bounded(self, seconds: float = CALL_TIME) -> AsyncIterator[None]:
        """Limit the time of a request as for each device; without an answer, events are not trusted."""
        try:
            async with super().bounded(seconds):
                yield
        except UNREACHABLE:
            self._watch.unreachable()
            raise

    async def table_may_have_changed(self) -> bool:
        """Query one row of the table, or less while events arrive."""
        async with self.bounded():
            return await self._current(lambda: self._watch.table_may_have_changed(self._connection))

    async def hides_address(self) -> bool:
        """Tell whether the gateway is connected but reports no address, as behind another NAT."""
        async with self.bounded():
            return await self._connection.hides_address()

    async def connection(self) -> Connection:
        """Return what the gateway reports about its connection to the internet."""
        async with self.bounded():
            return await read_details(self._connection, self._link, self.page)

    async def list_mappings(self) -> Sequence[TableEntry]:
        """Return all entries of the gateway's table."""
        async with self.bounded(LIST_TIME):
            return await self._current(lambda: read_table(self._connection))

    async def holds(self, lease: Lease) -> bool:
        """Check that the lease is in the gateway's table, enabled, for our address and port (M15)."""
        if self._behavior.hides_entries:
            raise Unsupported("the gateway does not show its entries")
        async with self.bounded():
            # Not an optional query: a lossy line must not switch off what notices an unannounced restart.
            entry = await self._shown_entry(lease)
            if entry is None and await self._connection.learns_to_find(lease.protocol, lease.external_port):
                entry = await self._shown_entry(lease)
            return entry is not None and entry_leads_to(entry, lease.internal_address, lease.internal_port)

    async def _shown_entry(self, lease: Lease) -> TableEntry | None:
        return await self._connection.entry(
            lease.protocol, lease.external_port, remote_host(lease), enabled_only=True
        )

    async def _query_external_address(self) -> IPAddress | None:
        return await self._connection.external_address()

    async def _open(self, request: MapRequest) -> Granted:
        """Open the port over the first service that can, and use this service from now on (S7).

        A service that confirms everything and shows nothing is used only if no other one can (S10).
        """
        failure: BackendError | None = None
        candidates = self._connections[:1] if self._works else list(self._connections)
        only, known = len(candidates) == 1, len(candidates)
        for number, connection in enumerate(candidates):
            mapping = VerifiedMapping(
                connection, self._behavior, request, self.local_address, only or number >= known
            )
            try:
                granted = await (mapping.open_restricted() if request.remote else mapping.open())
            except ShowsNothing as error:
                failure = failure or error
                candidates.append(connection)
            except BackendError as error:
                failure = failure or error
                if not _means_wrong_service(error):
                    raise
                _log.debug("the service %s does not open the port: %s", connection.kind, error)
            else:
                self._use(connection)
                if self._learned is not None:
                    self._learned.write(self._behavior)
                return granted
        assert failure is not None
        raise failure

    def _use(self, connection: WanConnection) -> None:
        self._works = True
        self._connections.remove(connection)
        self._connections.insert(0, connection)

    async def _current(self, call: Callable[[], Awaitable[Answer]]) -> Answer:
        """Make a call; if the control URL no longer works, read the description again and repeat it (M23)."""
        try:
            return await call()
        except BackendError as error:
            if not (self._is_stale(error) and await self._read_description()):
                raise
        return await call()

    def _is_stale(self, error: BackendError) -> bool:
        """Tell whether an address that worked refuses everything, as after a restart with new paths."""
        return isinstance(error, Moved | Refused) or (
            self._works and error.code in (INVALID_ACTION, NOT_AUTHORIZED)
        )

    async def _read_description(self) -> bool:
        """Read the description again; return whether it has other control URLs. If it is gone, search."""
        now = asyncio.get_running_loop().time()
        if now < self._read_again_at:
            return False
        self._read_again_at = now + READ_AGAIN_AFTER
        known = {connection.url for connection in self._connections}
        try:
            connections = list(await self._read_again())
        except Refused:
            return False  # three of them mean that the gateway is gone
        except BackendError as error:
            _log.debug("the description of %s is gone: %s", self.address, error)
            self.report_gone()
            return False
        if not {connection.url for connection in connections} - known:
            return False
        self._connections = connections
        self._find_as_learned()
        self._works = False
        return True

    async def _close_previous(self, request: MapRequest, granted: Granted) -> None:
        """Close the previous external port of the lease after a change: UPnP keeps both open."""
        held = request.held
        if held is None or held.gateway != self.identity or held.external_port == granted.external_port:
            return
        try:
            await self._delete(held)
        except BackendError as error:
            _log.debug("the previous port %d is not closed: %s", held.external_port, error)

    async def _delete(self, lease: Lease) -> None:
        if await close_mapping(self._connection, lease):
            self._watch.closed()

    async def _known_external_address(self) -> IPAddress | None:
        """Return the last known external address; query it only once, and ignore a failure."""
        if not self._external_queried:
            self._external_queried = True
            try:
                self._external = await self._query_external_address()
            except BackendError as error:
                _log.debug("the gateway does not report its external address: %s", error)
        return self._external

    def _log_connection_state(self) -> None:
        """Log a warning each time the gateway loses its external address (S5)."""
        if self._external is None and self._connected:
            _log.warning("gateway %s is not connected: it has no external address", self.address)
        self._connected = self._external is not None

    def _lease(self, request: MapRequest, granted: Granted, external: IPAddress | None) -> Lease:
        return self.lease(
            request,
            external_port=granted.external_port,
            lifetime=granted.lifetime,
            external_address=external,
        )


def _means_wrong_service(error: BackendError) -> bool:
    """Tell whether another service of the same gateway may work (S7).

    Some routers describe a service that they do not run, and refuse its requests with any code.
    """
    if isinstance(error, _POLICY):
        return error.code == ACTION_FAILED
    return error.code is not None or not isinstance(error, Unsupported)
