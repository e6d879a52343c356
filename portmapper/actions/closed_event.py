"""The journal's event for a lease that an action closed without a daemon."""

from __future__ import annotations

from portmapper.api.events import Event, EventKind
from portmapper.api.model import Lease
from portmapper.store.stored_lease import StoredLease
from portmapper.support.clock import Clock


def closed_event(lease: Lease, stored: StoredLease | None = None) -> Event:
    """Return the event; `stored` is the lease's record if it was ours."""
    return Event(
        at=Clock().now(),
        kind=EventKind.CLOSED,
        protocol=lease.protocol,
        family=lease.family,
        internal_address=lease.internal_address,
        internal_port=lease.internal_port,
        wanted_external_port=stored.wanted_port if stored else lease.external_port,
        external_address=lease.external_address,
        external_port=lease.external_port,
        backend=lease.backend,
        gateway=lease.gateway.partition(":")[2],
        comment=stored.comment if stored else "",
        source=stored.source if stored else "",
    )
