"""Makes room for a mapping where only something of ours stands in its way."""

from __future__ import annotations

from collections.abc import Callable

from portmapper.asking import bounded, give_back
from portmapper.backend import Gateway
from portmapper.discovery import Discovery
from portmapper.entry import Entry
from portmapper.errors import SILENCE, BackendError, GatewayTimeout
from portmapper.ledger import Ledger, is_at
from portmapper.model import Lease, MapRequest, TableEntry
from portmapper.store import StoredLease


class MakingWay:
    """Releases what nobody wants any more, to put what is wanted in its place."""

    def __init__(
        self, discovery: Discovery, ledger: Ledger, is_sought: Callable[[StoredLease], bool]
    ) -> None:
        self._discovery = discovery
        self._ledger = ledger
        self._is_sought = is_sought

    async def at_port(
        self, entry: Entry, request: MapRequest, at: Gateway, holder: TableEntry | None
    ) -> bool:
        """Tell whether what holds the port is ours to replace; release it where that is needed."""
        if holder is not None:
            before = entry.lease is not None and _is_entry_of(entry.lease, holder)
            return before or self._ledger.is_ours(holder, request, at)
        former = self._former_at(entry, request, at)
        gateway = self._discovery.gateway(former.gateway, former.internal_address) if former else None
        return former is not None and gateway is not None and await self._close(gateway, former)

    def _former_at(self, entry: Entry, request: MapRequest, at: Gateway) -> Lease | None:
        """Return what of ours has the port: nobody's any more, or its own for an address that is gone."""
        orphan = self._ledger.orphan_at(request, at)
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
        self._ledger.released(former.token)
        return True

    async def behind(self, request: MapRequest, gateway: Gateway, error: BackendError | None = None) -> bool:
        """Make room where a gateway keeps one mapping for each internal port, as PCP and NAT-PMP do.

        An external port was edited there: the new one cannot stand before the old one is closed. `error` is
        what a gateway said that does not tell that it is of this kind.
        """
        if isinstance(error, SILENCE):
            return False
        former = self._ledger.orphan_behind(request, gateway)
        if former is None or self._is_sought(former) or not await give_back(gateway, former.lease):
            return False
        self._ledger.released(former.lease.token)
        return True


def _is_entry_of(lease: Lease, holder: TableEntry) -> bool:
    return (lease.protocol, lease.external_port, lease.internal_address) == (
        holder.protocol,
        holder.external_port,
        holder.internal_address,
    )
