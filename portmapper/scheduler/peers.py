"""What must be requested again because a device may confuse the mappings of a group."""

from __future__ import annotations

from portmapper.api.backend import Gateway
from portmapper.api.model import Lease, MappingKey
from portmapper.api.quirks import Action, Applies, HeldLease
from portmapper.gateways.discovery import Discovery
from portmapper.scheduler.coupling import Coupling
from portmapper.scheduler.inputs import AttemptNow, Disturbed, OrderKnown, RenewNow
from portmapper.scheduler.record import Record
from portmapper.scheduler.writer import Writer
from portmapper.store.ownership import Ownership
from portmapper.support.clock import Clock


class Peers:
    """Tells the peers of a mapping what was done to it, and has an unknown order repaired."""

    def __init__(
        self, writer: Writer, coupling: Coupling, discovery: Discovery, ownership: Ownership, clock: Clock
    ) -> None:
        self._writer = writer
        self._coupling = coupling
        self._discovery = discovery
        self._ownership = ownership
        self._clock = clock

    def renewed(self, key: MappingKey, record: Record, lease: Lease) -> None:
        """Renew at once what this mapping's renewal may have closed."""
        gateway = self._holder(lease) if self._coupling.has_peers(record.mapping) else None
        if gateway is None or record.opened_at is None:
            return
        done = HeldLease(lease, record.opened_at)
        peers = self._coupling.peers(key, lease, gateway)
        for again in self._coupling.after(Action.RENEWED, done, peers, gateway):
            held = self._coupling.holder_of(again.lease)
            if held is not None:
                self._writer.take(held[0], Disturbed(again.recreate, again.order_lost))

    def _holder(self, lease: Lease) -> Gateway | None:
        return self._discovery.gateway(lease.gateway, lease.internal_address)

    def releasing(self, lease: Lease) -> None:
        """Store which leases the release of this one may close, in case this run ends too soon."""
        for _, again in self._coupling.after_release(lease, self._ownership, self._holder(lease)):
            if again.recreate:
                self._ownership.disturb(again.lease.token)

    def released(self, lease: Lease) -> None:
        """Reopen what the release of a lease may have closed."""
        for key, again in self._coupling.after_release(lease, self._ownership, self._holder(lease)):
            self._writer.take(key, Disturbed(again.recreate, again.order_lost))

    def settle_order(self, key: MappingKey, gateway: Gateway) -> None:
        """Repair an unknown order now, or once the device is identified. Forget it if it does not matter."""
        record = self._writer.records[key]
        if not record.order_lost or record.lease is None:
            return
        if self._coupling.applies(gateway.address) is Applies.NO:
            self._writer.take(key, OrderKnown())
            return
        steps = self._coupling.repair(key, record, record.lease, gateway)
        if self._coupling.is_deferred(gateway, self._discovery.searches, self._clock.monotonic()):
            self._writer.take(key, RenewNow(self._coupling.identify_by(gateway.address)))
        elif steps:
            self._writer.take(key, AttemptNow())
        elif not self._coupling.waits_for_peers(key, record, record.lease, gateway):
            self._writer.take(key, OrderKnown())

    def learn(self, gateway: Gateway, *, is_last: bool) -> None:
        """Take what a gateway tells about its device; `is_last` if no search may tell more soon."""
        if self._coupling.learn(gateway, self._clock.monotonic()) or is_last:
            self._identified(gateway)

    def _identified(self, gateway: Gateway) -> None:
        """Decide about the mappings whose order is unknown there, now that the device may be known."""
        for key, record in list(self._writer.records.items()):
            device = record.lease.gateway.partition(":")[2] if record.lease else ""
            waits = record.order_lost and not record.suspect and not record.attempting
            if waits and device == str(gateway.address):
                self.settle_order(key, gateway)
