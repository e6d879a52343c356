"""Close single ports: our leases, and table entries to this host that the lease store does not know."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator

import attrs

from portmapper.actions.closed_event import closed_event
from portmapper.actions.tables import GatewayTables, TableRow, lease_from_entry
from portmapper.api.backend import Gateway
from portmapper.api.errors import BackendError, NotAuthorized
from portmapper.api.model import IPAddress, Lease, Protocol
from portmapper.gateways.bounded import bounded
from portmapper.store.leases import Store
from portmapper.store.stored_lease import StoredLease
from portmapper.support.wording import protocol_name

Port = tuple[Protocol, int]


class CloseResult(enum.StrEnum):
    """The result of closing a port.

    `LISTED`: a source lists the port, so only an edit of the source closes it.
    """

    CLOSED = "closed"
    NOT_OPEN = "not open"
    LEFT_ALONE = "left alone"
    LISTED = "listed"
    FAILED = "failed"


@attrs.frozen
class CloseOutcome:
    """The result for one port.

    Attributes:
        protocol: TCP or UDP.
        port: the external port.
        result: the result in one word.
        detail: the reason, or the host that the mapping leads to; may be empty.
    """

    protocol: Protocol
    port: int
    result: CloseResult
    detail: str = ""


class PortCloser:
    """Closes ports on gateways whose tables have been read."""

    def __init__(self, tables: GatewayTables, store: Store, is_ours: Callable[[IPAddress], bool]) -> None:
        """Create a closer for one pass.

        Args:
            tables: the gateways and their tables, inside their `async with` block.
            store: contains our leases; closed leases are removed from it.
            is_ours: returns whether an address belongs to this host.
        """
        self._tables = tables
        self._store = store
        self._is_ours = is_ours

    async def close(self, port: Port) -> CloseOutcome:
        """Close our leases and entries at an external port; skip entries of other hosts."""
        outcomes = [await self._close_lease(stored) for stored in self._leases(port)]
        held_by_us = {(row.device, row.entry.internal_address) for row in self._rows(port) if row.stored}
        rows = [row for row in self._rows(port) if (row.device, row.entry.internal_address) not in held_by_us]
        outcomes += [await self._close_entry(row) for row in rows]
        return _worst(outcomes) if outcomes else CloseOutcome(*port, CloseResult.NOT_OPEN)

    async def close_row(self, row: TableRow) -> CloseOutcome:
        """Close one entry, even if another host owns it: the user has confirmed."""
        if row.stored is not None:
            return await self._close_lease(row.stored)
        return await self._close_entry(row, any_host=True)

    def _leases(self, port: Port) -> Iterator[StoredLease]:
        for stored in self._store.leases:
            lease = stored.lease
            if lease.protocol is port[0] and port[1] in (stored.wanted_port, lease.external_port):
                yield stored

    def _rows(self, port: Port) -> Iterator[TableRow]:
        return (row for row in self._tables.rows if (row.entry.protocol, row.entry.external_port) == port)

    async def _close_lease(self, stored: StoredLease) -> CloseOutcome:
        lease = stored.lease
        gateway = self._tables.gateway(lease.gateway, lease.internal_address)
        if gateway is None:
            detail = f"the gateway does not answer over {protocol_name(lease.backend)}"
            return CloseOutcome(lease.protocol, lease.external_port, CloseResult.FAILED, detail)
        return await self._release(gateway, lease)

    async def _close_entry(self, row: TableRow, any_host: bool = False) -> CloseOutcome:
        entry, gateway = row.entry, row.gateway
        internal = entry.internal_address
        if gateway is None or internal is None or not (any_host or self._is_ours(internal)):
            return CloseOutcome(
                entry.protocol,
                entry.external_port,
                CloseResult.LEFT_ALONE,
                f"it leads to {internal or 'an unknown host'}",
            )
        return await self._release(gateway, lease_from_entry(entry, gateway, internal))

    async def _release(self, gateway: Gateway, lease: Lease) -> CloseOutcome:
        try:
            await bounded(gateway, gateway.unmap(lease))
        except BackendError as error:
            refused = isinstance(error, NotAuthorized)
            if not (refused and await self._release_over_other_protocol(gateway, lease)):
                reason = f"{protocol_name(gateway.backend)}: {error}"
                return CloseOutcome(lease.protocol, lease.external_port, CloseResult.FAILED, reason)
        self._store.record(closed_event(lease, self._store.get(lease.token) if lease.token else None))
        if lease.token:
            self._store.remove(lease.token)
        return CloseOutcome(lease.protocol, lease.external_port, CloseResult.CLOSED)

    async def _release_over_other_protocol(self, refusing_gateway: Gateway, lease: Lease) -> bool:
        """Close a pinhole over another protocol: all protocols of a device share one firewall."""
        for gateway in (
            self._tables.same_device(refusing_gateway) if lease.internal_address.version == 6 else ()
        ):
            other = attrs.evolve(
                lease, backend=gateway.backend, gateway=gateway.identity, token=b"", private=""
            )
            try:
                await bounded(gateway, gateway.unmap(other))
            except BackendError:
                continue
            return True
        return False


def _worst(outcomes: list[CloseOutcome]) -> CloseOutcome:
    """Return the most important of several results at one port."""
    order = [CloseResult.FAILED, CloseResult.LEFT_ALONE, CloseResult.CLOSED]
    return min(outcomes, key=lambda outcome: order.index(outcome.result))
