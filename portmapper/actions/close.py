"""Closes single ports by hand: our leases, and entries to this host that nobody remembers."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator

import attrs

from portmapper.actions.tables import GatewayTables, Listed, lease_of
from portmapper.api.backend import Gateway
from portmapper.api.errors import BackendError, NotAuthorized
from portmapper.api.model import IPAddress, Lease, Protocol
from portmapper.gateways.calls import bounded
from portmapper.store.leases import Store, StoredLease

Port = tuple[Protocol, int]


class Result(enum.StrEnum):
    """What became of a port that was to be closed."""

    CLOSED = "closed"
    NOT_OPEN = "not open"
    LEFT_ALONE = "left alone"
    LISTED = "listed"
    FAILED = "failed"


@attrs.frozen
class Outcome:
    """What became of one port.

    Attributes:
        protocol: TCP or UDP.
        port: the external port.
        result: in one word.
        detail: why, or whose it is; may be empty.
    """

    protocol: Protocol
    port: int
    result: Result
    detail: str = ""


class PortCloser:
    """Closes ports on the gateways whose tables were read."""

    def __init__(self, tables: GatewayTables, store: Store, is_ours: Callable[[IPAddress], bool]) -> None:
        """Prepare.

        Args:
            tables: inside their block.
            store: knows our leases; what is closed is forgotten there.
            is_ours: tells whether an address is this host's.
        """
        self._tables = tables
        self._store = store
        self._is_ours = is_ours

    async def close(self, port: Port) -> Outcome:
        """Close what is ours at an external port; another host's entry is left alone."""
        outcomes = [await self._close_lease(stored) for stored in self._leases(port)]
        held = {(row.device, row.entry.internal_address) for row in self._rows(port) if row.stored}
        rows = [row for row in self._rows(port) if (row.device, row.entry.internal_address) not in held]
        outcomes += [await self._close_entry(row) for row in rows]
        return _worst(outcomes) if outcomes else Outcome(*port, Result.NOT_OPEN)

    async def close_row(self, row: Listed) -> Outcome:
        """Close one entry, whosever it is: the user was asked."""
        if row.stored is not None:
            return await self._close_lease(row.stored)
        return await self._close_entry(row, anybodys=True)

    def _leases(self, port: Port) -> Iterator[StoredLease]:
        for stored in self._store.leases:
            lease = stored.lease
            if lease.protocol is port[0] and port[1] in (stored.wanted_port, lease.external_port):
                yield stored

    def _rows(self, port: Port) -> Iterator[Listed]:
        return (row for row in self._tables.rows if (row.entry.protocol, row.entry.external_port) == port)

    async def _close_lease(self, stored: StoredLease) -> Outcome:
        lease = stored.lease
        gateway = self._tables.gateway(lease.gateway, lease.internal_address)
        if gateway is None:
            detail = f"its gateway does not answer over {lease.backend}"
            return Outcome(lease.protocol, lease.external_port, Result.FAILED, detail)
        return await self._release(gateway, lease)

    async def _close_entry(self, row: Listed, anybodys: bool = False) -> Outcome:
        entry, gateway = row.entry, row.gateway
        internal = entry.internal_address
        if gateway is None or internal is None or not (anybodys or self._is_ours(internal)):
            return Outcome(
                entry.protocol,
                entry.external_port,
                Result.LEFT_ALONE,
                f"it leads to {internal or 'a host that the gateway does not name'}",
            )
        return await self._release(gateway, lease_of(entry, gateway, internal))

    async def _release(self, gateway: Gateway, lease: Lease) -> Outcome:
        try:
            await bounded(gateway, gateway.unmap(lease))
        except BackendError as error:
            refused = isinstance(error, NotAuthorized)
            if not (refused and await self._released_otherwise(gateway, lease)):
                why = f"{gateway.backend}: {error}"
                return Outcome(lease.protocol, lease.external_port, Result.FAILED, why)
        if lease.token:
            self._store.remove(lease.token)
        return Outcome(lease.protocol, lease.external_port, Result.CLOSED)

    async def _released_otherwise(self, refusing: Gateway, lease: Lease) -> bool:
        """Close a pinhole over another protocol of the same device: it has one firewall for all."""
        for gateway in self._tables.same_device(refusing) if lease.internal_address.version == 6 else ():
            other = attrs.evolve(
                lease, backend=gateway.backend, gateway=gateway.identity, token=b"", private=""
            )
            try:
                await bounded(gateway, gateway.unmap(other))
            except BackendError:
                continue
            return True
        return False


def _worst(outcomes: list[Outcome]) -> Outcome:
    """Of several at one port, return the one that says most."""
    order = [Result.FAILED, Result.LEFT_ALONE, Result.CLOSED]
    return min(outcomes, key=lambda outcome: order.index(outcome.result))
