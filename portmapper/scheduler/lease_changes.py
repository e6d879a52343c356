"""What entries hold: the entry itself, the ownership and what is told of it change together."""

from __future__ import annotations

from collections.abc import Mapping

from portmapper.api.errors import Conflict
from portmapper.api.model import IPAddress, Lease
from portmapper.scheduler.event_recorder import EventRecorder
from portmapper.scheduler.lease_state import LeaseState
from portmapper.store.ownership import Ownership, displaces, hole
from portmapper.support.clock import Clock


class LeaseChanges:
    """Gives leases to entries, and takes them away."""

    def __init__(
        self,
        ownership: Ownership,
        tell: EventRecorder,
        clock: Clock,
        external: Mapping[str, IPAddress | None],
        repeat: bool,
    ) -> None:
        """Prepare.

        Args:
            ownership: every lease that may stand.
            tell: publishes events.
            clock: the time.
            external: each gateway's outside address, by its identity.
            repeat: tell of what an earlier run opened as if it were opened now.
        """
        self._ownership = ownership
        self._tell = tell
        self._clock = clock
        self._external = external
        self._repeat = repeat

    def take(self, entry: LeaseState, lease: Lease) -> bool:
        """Give an entry what a gateway granted; tell whether that renews what it held."""
        before, adopted = entry.lease, entry.adopted
        known = before or adopted
        renewed = known is not None and _is_same(known, lease)
        if not renewed:
            entry.opened_at = self._clock.now()
        entry.granted(lease, self._clock.monotonic())
        outside = self._external.get(lease.gateway)
        is_told = self._tell.granted(entry, known, lease, outside)
        if adopted is not None:
            self._tell.adopted(entry, adopted, lease, outside, repeat=self._repeat and not is_told)
        if before is not None and before.token != lease.token:
            if displaces(lease, before):
                self._ownership.released(before.token)
            else:
                self._ownership.abandon(before.token)
        return renewed

    def refused(self, entry: LeaseState) -> None:
        """Take note of a round that brought nothing."""
        entry.no_gateway = not entry.refusals
        if entry.lease is not None and _is_gone(entry, entry.lease):
            former = entry.is_of_former_address
            holder = (
                f"for {entry.lease.internal_address}, no address of ours," if former else "for another host"
            )
            self.lose(entry, f"the gateway holds its port {holder} now", stands=former)
        entry.attempts += 1
        if entry.attempts == 1 or entry.again:
            self._tell.failed(entry)

    def lose(self, entry: LeaseState, why: str, stands: bool = False) -> None:
        """Do without a lease; one that `stands` on the gateway all the same is to be released."""
        assert entry.lease is not None
        self._tell.lost(entry.mapping, entry.lease, why)
        if stands:
            self._ownership.abandon(entry.lease.token)
        else:
            self._ownership.released(entry.lease.token)
        entry.lease = entry.opened_at = None
        entry.suspect = False
        entry.attempts = 0

    def drop(self, entry: LeaseState) -> None:
        """Have what nobody wants any more released."""
        entry.removed = True
        entry.due = None
        if entry.lease is not None:
            self._ownership.abandon(entry.lease.token)
            entry.lease = None


def _is_same(before: Lease, lease: Lease) -> bool:
    """Tell whether the gateway's rule is the one that it had, over whichever protocol it was asked for."""
    port = before.external_port == lease.external_port
    return before.token == lease.token or (port and hole(before) == hole(lease))


def _is_gone(entry: LeaseState, lease: Lease) -> bool:
    """Tell whether its own gateway said that the port belongs to somebody else."""
    return any(gateway == lease.gateway and isinstance(error, Conflict) for gateway, error in entry.refusals)
