"""Conflicts of a mapping with our own older leases."""

from __future__ import annotations

from collections.abc import Callable

from portmapper.api.backend import Gateway
from portmapper.api.errors import BackendError, Conflict, GatewayTimeout
from portmapper.api.model import Lease, MapRequest, TableEntry
from portmapper.gateways.bounded import unmap_at
from portmapper.gateways.calls import try_release
from portmapper.gateways.discovery import Discovery
from portmapper.scheduler.record import Record
from portmapper.store.comparison import is_on_device
from portmapper.store.ownership import Ownership
from portmapper.store.stored_lease import StoredLease


class OwnConflicts:
    """Releases our own stale leases so that a desired mapping can take their place."""

    def __init__(
        self,
        discovery: Discovery,
        ownership: Ownership,
        may_be_adopted: Callable[[StoredLease], bool],
        report: Callable[[StoredLease, str], None],
    ) -> None:
        self._discovery = discovery
        self._ownership = ownership
        self._may_be_adopted = may_be_adopted
        self._report = report

    async def free_external_port(
        self, record: Record, request: MapRequest, at: Gateway, holder: TableEntry | None
    ) -> bool:
        """Return whether the port's holder is ours to replace; release it if it is not named."""
        if holder is not None:
            before = record.lease is not None and _is_entry_of(record.lease, holder)
            return before or self._ownership.is_ours(holder, request, at)
        former = self._own_lease_at_port(record, request, at)
        gateway = self._discovery.gateway(former.gateway, former.internal_address) if former else None
        return former is not None and gateway is not None and await self._release(gateway, former)

    def _own_lease_at_port(self, record: Record, request: MapRequest, at: Gateway) -> Lease | None:
        """Return our lease on the port: an orphan, or the record's own lease for a former address."""
        orphan = self._ownership.orphan_at_external_port(request, at)
        if orphan is not None:
            return orphan.lease
        held = record.lease if record.has_former_address else None
        same = held is not None and held.external_port == request.external_port and is_on_device(held, at)
        return held if same else None

    async def _release(self, gateway: Gateway, former: Lease) -> bool:
        """Return whether the port may be free now; the answer to a former address never arrives."""
        try:
            await unmap_at(gateway, former)
        except GatewayTimeout:
            return True
        except BackendError:
            return False
        self._ownership.released(former.token)
        return True

    async def close_to_other_hosts(self, request: MapRequest, at: Gateway) -> None:
        """Close our orphan on the port if it is open to other remote hosts than requested.

        Otherwise, both would be open side by side over UPnP, and the port to more hosts than desired.
        """
        former = self._ownership.orphan_at_external_port(request, at)
        if former is None or former.lease.remote == request.remote:
            return
        gateway = self._discovery.gateway(former.lease.gateway, former.lease.internal_address)
        if gateway is not None and await self._release(gateway, former.lease) and former.confirmed:
            self._report(former, "")

    async def free_internal_port(
        self, request: MapRequest, gateway: Gateway, error: BackendError | None = None
    ) -> bool:
        """Release an orphan with the same internal port; return whether that was done.

        PCP and NAT-PMP servers keep one mapping for each internal port. After the external port was edited
        in the list, they cannot open the new one before the old one is closed. `error` is the refusal of a
        gateway that is not known to be of this kind.
        """
        if error is not None and (not isinstance(error, Conflict) or error.holder is not None):
            return False  # our lease is not in the way, and stays until its replacement is granted
        former = self._ownership.orphan_at_internal_port(request, gateway)
        if former is None or self._may_be_adopted(former) or not await try_release(gateway, former.lease):
            return False
        self._ownership.released(former.lease.token)
        if former.confirmed:
            self._report(former, "")
        return True


def _is_entry_of(lease: Lease, holder: TableEntry) -> bool:
    return (lease.protocol, lease.external_port, lease.internal_address) == (
        holder.protocol,
        holder.external_port,
        holder.internal_address,
    )
