"""Makes room for a mapping where only something of ours stands in its way."""

from __future__ import annotations

from collections.abc import Callable

from portmapper.api.backend import Gateway
from portmapper.api.errors import UNREACHABLE, BackendError, GatewayTimeout
from portmapper.api.model import Lease, MapRequest, TableEntry
from portmapper.gateways.calls import bounded, try_release
from portmapper.gateways.discovery import Discovery
from portmapper.scheduler.lease_state import LeaseState
from portmapper.store.leases import StoredLease
from portmapper.store.ownership import Ownership, is_at


class OwnConflicts:
    """Releases our own stale entries so that a desired mapping can take their place."""

    def __init__(
        self, discovery: Discovery, ownership: Ownership, is_sought: Callable[[StoredLease], bool]
    ) -> None:
        self._discovery = discovery
        self._ownership = ownership
        self._is_sought = is_sought

    async def at_port(
        self, entry: LeaseState, request: MapRequest, at: Gateway, holder: TableEntry | None
    ) -> bool:
        """Tell whether what holds the port is ours to replace; release it where that is needed."""
        if holder is not None:
            before = entry.lease is not None and _is_entry_of(entry.lease, holder)
            return before or self._ownership.is_ours(holder, request, at)
        former = self._former_at(entry, request, at)
        gateway = self._discovery.gateway(former.gateway, former.internal_address) if former else None
        return former is not None and gateway is not None and await self._close(gateway, former)

    def _former_at(self, entry: LeaseState, request: MapRequest, at: Gateway) -> Lease | None:
        """Return what of ours has the port: nobody's any more, or its own for an address that is gone."""
        orphan = self._ownership.orphan_at(request, at)
        if orphan is not None:
            return orphan.lease
        held = entry.lease if entry.is_of_former_address else None
        same = held is not None and held.external_port == request.external_port and is_at(held, at)
        return held if same else None

    async def _close(self, gateway: Gateway, former: Lease) -> bool:
        """Tell whether the port may be free now. To an address that is gone no answer comes."""
        try:
            await bounded(gateway, gateway.unmap(former))
        except GatewayTimeout:
            return True
        except BackendError:
            return False
        self._ownership.released(former.token)
        return True

    async def behind(self, request: MapRequest, gateway: Gateway, error: BackendError | None = None) -> bool:
        """Make room where a gateway keeps one mapping for each internal port, as PCP and NAT-PMP do.

        An external port was edited there: the new one cannot stand before the old one is closed. `error` is
        what a gateway said that does not tell that it is of this kind.
        """
        if isinstance(error, UNREACHABLE):
            return False
        former = self._ownership.orphan_behind(request, gateway)
        if former is None or self._is_sought(former) or not await try_release(gateway, former.lease):
            return False
        self._ownership.released(former.lease.token)
        return True


def _is_entry_of(lease: Lease, holder: TableEntry) -> bool:
    return (lease.protocol, lease.external_port, lease.internal_address) == (
        holder.protocol,
        holder.external_port,
        holder.internal_address,
    )
