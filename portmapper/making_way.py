"""Makes room for a mapping where only something of ours stands in its way."""

from __future__ import annotations

from portmapper.asking import give_back
from portmapper.backend import Gateway
from portmapper.discovery import Discovery
from portmapper.entry import Entry
from portmapper.errors import BackendError, GatewayTimeout, NetworkFailure
from portmapper.ledger import Ledger
from portmapper.model import Lease, MapRequest, TableEntry


class MakingWay:
    """Releases what nobody wants any more, to put what is wanted in its place."""

    def __init__(self, discovery: Discovery, ledger: Ledger) -> None:
        self._discovery = discovery
        self._ledger = ledger

    async def at_port(
        self, entry: Entry, request: MapRequest, at: Gateway, holder: TableEntry | None
    ) -> bool:
        """Tell whether what holds the port is ours to replace; release it where that is needed."""
        if holder is not None:
            before = entry.lease is not None and _is_entry_of(entry.lease, holder)
            return before or self._ledger.is_ours(holder, request, at)
        orphan = self._ledger.orphan_at(request, at)
        gateway = (
            self._discovery.gateway(orphan.lease.gateway, orphan.lease.internal_address) if orphan else None
        )
        if orphan is None or gateway is None or not await give_back(gateway, orphan.lease):
            return False
        self._ledger.released(orphan.lease.token)
        return True

    async def behind(self, request: MapRequest, gateway: Gateway, error: BackendError) -> bool:
        """Make room where a gateway keeps one mapping for each internal port, as PCP and NAT-PMP do.

        An external port was edited there: the new one cannot stand before the old one is closed.
        """
        if isinstance(error, NetworkFailure | GatewayTimeout):
            return False
        former = self._ledger.orphan_behind(request, gateway)
        if former is None or not await give_back(gateway, former.lease):
            return False
        self._ledger.released(former.lease.token)
        return True


def _is_entry_of(lease: Lease, holder: TableEntry) -> bool:
    return (lease.protocol, lease.external_port, lease.internal_address) == (
        holder.protocol,
        holder.external_port,
        holder.internal_address,
    )
