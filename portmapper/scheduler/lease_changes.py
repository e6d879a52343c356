"""Changes of an entry's lease: the entry, the lease ownership and the events change together."""

from __future__ import annotations

from collections.abc import Mapping

from portmapper.api.errors import Conflict
from portmapper.api.model import IPAddress, Lease
from portmapper.scheduler.event_recorder import EventRecorder
from portmapper.scheduler.lease_state import LeaseState
from portmapper.store.ownership import Ownership, displaces, forward_target
from portmapper.support.clock import Clock


class LeaseChanges:
    """Assigns leases to entries and takes them away."""

    def __init__(
        self,
        ownership: Ownership,
        events: EventRecorder,
        clock: Clock,
        external: Mapping[str, IPAddress | None],
        repeat: bool,
    ) -> None:
        """Keep the collaborators.

        Args:
            ownership: knows every lease that may be open.
            events: publishes events.
            clock: the time.
            external: external address of each gateway, by gateway identity.
            repeat: report the adopted leases of an earlier run as opened.
        """
        self._ownership = ownership
        self._events = events
        self._clock = clock
        self._external = external
        self._repeat = repeat

    def apply_grant(self, entry: LeaseState, lease: Lease) -> bool:
        """Assign a granted lease to its entry; return whether this renews the earlier lease."""
        before, adopted = entry.lease, entry.adopted
        known = before or adopted
        renewed = known is not None and _is_same(known, lease)
        if not renewed:
            entry.opened_at = self._clock.now()
        entry.granted(lease, self._clock.monotonic())
        external = self._external.get(lease.gateway)
        is_reported = self._events.granted(entry, known, lease, external)
        if adopted is not None:
            self._events.adopted(entry, adopted, lease, external, repeat=self._repeat and not is_reported)
        if before is not None and before.token != lease.token:
            if displaces(lease, before):
                self._ownership.released(before.token)
            else:
                self._ownership.abandon(before.token)
        return renewed

    def apply_failure(self, entry: LeaseState) -> None:
        """Update an entry after a round in which no gateway granted it."""
        entry.no_gateway = not entry.refusals
        if entry.lease is not None and _is_port_taken(entry, entry.lease):
            former = entry.has_former_address
            holder = (
                f"{entry.lease.internal_address}, a former address of this host" if former else "another host"
            )
            self.lose(entry, f"the gateway now maps its port to {holder}", still_open=former)
        entry.attempts += 1
        if entry.attempts == 1 or entry.dirty:
            self._events.failed(entry)

    def lose(self, entry: LeaseState, reason: str, still_open: bool = False) -> None:
        """Take away a lost lease; a lease that is `still_open` on the gateway becomes an orphan."""
        assert entry.lease is not None
        self._events.lost(entry.mapping, entry.lease, reason)
        if still_open:
            self._ownership.abandon(entry.lease.token)
        else:
            self._ownership.released(entry.lease.token)
        entry.lease = entry.opened_at = None
        entry.suspect = False
        entry.attempts = 0

    def remove(self, entry: LeaseState) -> None:
        """Mark an entry as no longer desired; its lease becomes an orphan."""
        entry.removed = True
        entry.due = None
        if entry.lease is not None:
            self._ownership.abandon(entry.lease.token)
            entry.lease = None


def _is_same(before: Lease, lease: Lease) -> bool:
    """Return whether both leases are the same rule on the gateway, over any port mapping protocol."""
    port = before.external_port == lease.external_port
    return before.token == lease.token or (port and forward_target(before) == forward_target(lease))


def _is_port_taken(entry: LeaseState, lease: Lease) -> bool:
    """Return whether the lease's own gateway reported that another host has the port."""
    return any(gateway == lease.gateway and isinstance(error, Conflict) for gateway, error in entry.refusals)
