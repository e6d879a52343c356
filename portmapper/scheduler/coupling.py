"""Groups of mappings that a device may confuse, as its quirk tells (see `portmapper.api.quirks`)."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence
from collections.abc import Mapping as AnyMapping

import attrs

from portmapper.api.backend import Gateway
from portmapper.api.model import Family, IPAddress, Lease, Mapping, MappingKey, MapRequest, Trait
from portmapper.api.quirks import Action, Applies, HeldLease, Quirk, Reassertion, RepairStep
from portmapper.gateways.probe import Probe
from portmapper.pluginhost.guarded_quirk import GuardedQuirk
from portmapper.scheduler.record import Record
from portmapper.store.comparison import is_on_device
from portmapper.store.device_table import DeviceTable
from portmapper.store.ownership import Ownership

IDENTIFY_WITHIN = 10.0
"""Seconds that a repair waits at most for a device to be identified."""

_Inside = tuple[Family, int]


class Coupling:
    """What is known of the devices, and which mappings belong together on them."""

    def __init__(
        self, quirks: Sequence[Quirk], records: AnyMapping[MappingKey, Record], devices: DeviceTable
    ) -> None:
        self._quirks = [GuardedQuirk(quirk) for quirk in quirks]
        self._records = records
        self._devices = devices
        self._members: dict[_Inside, tuple[MappingKey, ...]] = {}
        self._first_seen: dict[IPAddress, float] = {}

    # The devices

    def learn(self, gateway: Gateway, now: float) -> bool:
        """Note what a gateway reports about its device; return whether that changes what is known of it."""
        self._first_seen.setdefault(gateway.address, now)
        if not self._quirks:
            return False
        before = self._devices.get(gateway.address)
        after = attrs.evolve(
            before,
            server=gateway.server or before.server,
            model=gateway.model or before.model,
            # A quirk may conclude from the backend that it knows all that the backend can tell.
            backends=before.backends | (set() if gateway.unread else {gateway.backend}),
        )
        if after != before:
            self._devices.put(after)
        return after != before

    def needs(self, gateway: Gateway) -> bool:
        """Return whether a gateway is of use now: an unread one is if a quirk may learn more from it."""
        return not gateway.unread or self.applies(gateway.address) is Applies.UNKNOWN

    def identify_by(self, address: IPAddress) -> float:
        """Return the monotonic time until which a repair may wait for an identification."""
        return self._first_seen.get(address, 0.0) + IDENTIFY_WITHIN

    def applies(self, address: IPAddress) -> Applies:
        """Return whether any quirk applies to the device at this address."""
        found = {quirk.applies_to(self._devices.get(address)) for quirk in self._quirks}
        return next((answer for answer in (Applies.YES, Applies.UNKNOWN) if answer in found), Applies.NO)

    def traits(self, address: IPAddress) -> frozenset[Trait]:
        """Return what the quirks of the device at this address know of it."""
        device = self._devices.get(address)
        known = [quirk.traits for quirk in self._quirks if quirk.applies_to(device) is Applies.YES]
        return frozenset().union(*known)

    # The groups

    def add(self, key: MappingKey, mapping: Mapping) -> None:
        """Note a desired mapping."""
        inside = (mapping.family, mapping.internal_port)
        if self._quirks:
            self._members[inside] = (*self._members.get(inside, ()), key)

    def remove(self, key: MappingKey, mapping: Mapping) -> None:
        """Forget a mapping."""
        inside = (mapping.family, mapping.internal_port)
        left = tuple(member for member in self._members.pop(inside, ()) if member != key)
        if left:
            self._members[inside] = left

    def turn_of(self, record: Record, addresses: Sequence[IPAddress]) -> Hashable:
        """Return what the attempts of a group have in common, so that one waits for the other.

        Args:
            record: about to begin an attempt; it has peers.
            addresses: the gateways' addresses that are known at its places.
        """
        if addresses and all(self.applies(a) is Applies.NO for a in addresses):
            return record.mapping.key
        return self.group_of(record.mapping)

    def group_of(self, mapping: Mapping) -> Hashable:
        """Return what mappings have in common that should be renewed together."""
        return (mapping.family, mapping.internal_port, mapping.address, mapping.gateway)

    def has_peers(self, mapping: Mapping) -> bool:
        """Return whether another desired mapping may belong to its group."""
        several = len(self._members.get((mapping.family, mapping.internal_port), ())) > 1
        return bool(self._quirks) and several

    def peers(self, key: MappingKey | None, lease: Lease | MapRequest, at: Gateway) -> list[Record]:
        """Return the records that hold a lease of the same group on the device, in the order of opening."""
        peers = [
            record
            for record in self._others(key, lease)
            if record.lease is not None
            and is_on_device(record.lease, at)
            and self._coupled(at, record.lease, lease)
        ]
        return sorted(peers, key=lambda record: held_lease(record).opened_at)

    def _others(self, key: MappingKey | None, lease: Lease | MapRequest) -> Iterator[Record]:
        for member in self._members.get((lease.family, lease.internal_port), ()):
            if member != key:
                yield self._records[member]

    def may_be_closed(self, lease: Lease, at: Gateway) -> bool:
        """Return whether the release of another mapping may close this one there."""
        return self._coupled(at, lease, lease)

    def _coupled(self, at: Gateway, one: Lease, other: Lease | MapRequest) -> bool:
        return any(
            quirk.coupling(one) is not None and quirk.coupling(one) == quirk.coupling(other)
            for quirk in self._active(at.address)
        )

    def _active(self, address: IPAddress) -> Iterator[Quirk]:
        device = self._devices.get(address)
        return (quirk for quirk in self._quirks if quirk.applies_to(device) is not Applies.NO)

    # What the quirks ask for

    def after(
        self, action: Action, done: HeldLease, peers: Sequence[Record], at: Gateway
    ) -> Iterator[Reassertion]:
        """Yield what must be requested again after an action on a lease."""
        held = [held_lease(record) for record in peers]
        for quirk in self._active(at.address) if peers else ():
            yield from quirk.after(action, done, held)

    def disturbed_by_renewals(self, key: MappingKey, record: Record, at: Gateway) -> bool:
        """Return whether a peer's renewal closes this mapping, so that its own request is urgent."""
        if record.lease is None or not self.has_peers(record.mapping):
            return False
        peers = self.peers(key, record.lease, at)
        for peer in peers:
            others = sorted(
                [p for p in peers if p is not peer] + [record], key=lambda r: held_lease(r).opened_at
            )
            for again in self.after(Action.RENEWED, held_lease(peer), others, at):
                if again.at_once and again.lease.token == record.lease.token:
                    return True
        return False

    def repair(self, key: MappingKey, record: Record, held: Lease, at: Gateway) -> list[RepairStep]:
        """Return the steps that bring a mapping and its peers into a known order, before it is requested.

        There are none before each peer was granted again: until then, what the device holds may not be ours.
        """
        peers = self.peers(key, held, at)
        if not record.order_lost or not peers or any(peer.suspect for peer in peers):
            return []
        opened_at = record.opened_at or held_lease(peers[-1]).opened_at
        requested = HeldLease(held, opened_at)
        others = [held_lease(peer) for peer in peers]
        return [
            step
            for quirk in self._active(at.address)
            for step in quirk.repair(requested, others, recreate=record.recreate)
        ]

    def waits_for_peers(self, key: MappingKey, record: Record, held: Lease, at: Gateway) -> bool:
        """Return whether the order stays unknown for now, because a peer has yet to be granted again."""
        return record.order_lost and any(peer.suspect for peer in self.peers(key, held, at))

    def after_release(
        self, released: Lease, ownership: Ownership, gateway: Gateway | None
    ) -> Iterator[tuple[MappingKey, Reassertion]]:
        """Yield the mappings that a release may have closed: what is open on the device, or being adopted.

        What is being adopted may still be held by another gateway meanwhile. Nothing is known of the device
        if its gateway, None, is no longer known.
        """
        if gateway is None or self.applies(gateway.address) is Applies.NO:
            return
        open_there = self.peers(None, released, gateway)
        peers = [p for p in open_there if p.lease is not None and p.lease.token != released.token]
        opened_at = peers[0].opened_at if peers else None
        if opened_at is not None:
            for again in self.after(Action.RELEASED, HeldLease(released, opened_at), peers, gateway):
                held = self.holder_of(again.lease)
                if held is not None:
                    yield held[0], again
        stored = ownership.counterpart_of(released)
        if stored is not None:
            for key in self._members.get((stored.family, stored.internal_port), ()):
                mapping, lease = self._records[key].mapping, self._records[key].lease
                ports = (mapping.protocol, mapping.port or stored.external_port)
                elsewhere = lease is None or not is_on_device(lease, gateway)
                if elsewhere and ports == (stored.protocol, stored.external_port):
                    yield key, Reassertion(stored, recreate=True, order_lost=True)

    def holder_of(self, lease: Lease) -> tuple[MappingKey, Record] | None:
        """Return the record that holds a lease, with its key."""
        for key in self._members.get((lease.family, lease.internal_port), ()):
            held = self._records[key].lease
            if held is not None and held.token == lease.token:
                return key, self._records[key]
        return None

    def is_deferred(self, gateway: Gateway, searches: Iterable[Probe], now: float) -> bool:
        """Return whether a repair waits, because a search under way may yet identify the device."""
        if self.applies(gateway.address) is not Applies.UNKNOWN or now >= self.identify_by(gateway.address):
            return False
        return any(not probe.done for probe in searches if gateway in probe.gateways)


def held_lease(record: Record) -> HeldLease:
    """Return what a record holds, for a quirk."""
    assert record.lease is not None, "only records that hold a lease are peers"
    assert record.opened_at is not None, "what holds a lease was opened at some time"
    return HeldLease(record.lease, record.opened_at)
