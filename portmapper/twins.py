"""Mappings of both protocols behind one internal port: whoever acts on one has to think of the others.

miniupnpd 2.3.1 on nftables looks for a mapping's filter rule by internal address and port alone, and takes
the one that was added last. The rules of one internal port are a stack, whatever their protocol and their
external port: to open puts one on top, to release takes the top away, to renew over PCP or NAT-PMP replaces
the top, and to renew over UPnP leaves all as it is.

Renewed in the order of their opening, the younger right after the elder, all of them stay open. Where that
order is not known any more, no renewal mends it, for the bottom stays what it is. So what is in doubt
(`Entry.anew`) is released before another one is asked, and opened after it.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta

from portmapper.asking import bounded
from portmapper.backend import Gateway
from portmapper.clock import Clock
from portmapper.discovery import Discovery
from portmapper.entry import Entry
from portmapper.errors import BackendError, GatewayTimeout, NetworkFailure
from portmapper.ledger import Ledger, hole, is_same
from portmapper.model import Family, IPAddress, Lease, MappingKey
from portmapper.store import StoredLease

Behind = tuple[object, ...]

_log = logging.getLogger(__name__)


class Twins:
    """Knows the order of the mappings behind one internal port, and what of it is in doubt."""

    def __init__(
        self,
        entries: Mapping[MappingKey, Entry],
        discovery: Discovery,
        ledger: Ledger,
        clock: Clock,
        plan: Callable[[Entry], None],
    ) -> None:
        """Prepare.

        Args:
            entries: what is wanted, by key.
            discovery: the gateways known.
            ledger: every lease that may stand.
            clock: the time.
            plan: begins a round soon, after the one that may be under way.
        """
        self._entries = entries
        self._discovery = discovery
        self._ledger = ledger
        self._clock = clock
        self._plan = plan
        self._by_port: dict[int, list[Entry]] | None = None

    def list_changed(self) -> None:
        """Find them anew: `entries` has others now."""
        self._by_port = None

    def of(self, entry: Entry) -> list[Entry]:
        """Return the others behind its internal port, if both protocols are among them all."""
        here = behind(entry)
        every = [other for other in self._at(entry.mapping.internal_port) if behind(other) == here]
        if len({other.mapping.protocol for other in every}) < 2 or entry.mapping.family is Family.IPV6:
            return []
        return [other for other in every if other is not entry]

    def elders(self, entry: Entry) -> list[Entry]:
        """Return those that are to be renewed before it.

        Else a table that is empty by now, though nobody said so, would get them the other way round.
        """
        if entry.anew or entry.moving:
            return []
        now = self._clock.monotonic()
        return [e for e in self.of(entry) if _is_elder(e, entry) and e.not_before <= now]

    def younger(self, entry: Entry) -> list[Entry]:
        """Return those that are to be asked for after it: it may have taken their place, or they its own."""
        return [e for e in self.of(entry) if e.anew or _is_elder(entry, e)]

    def younger_idle(self, entry: Entry) -> list[Entry]:
        """Return those whose place it may have taken although its answer was lost, but for who waits."""
        now = self._clock.monotonic()
        return [e for e in self.younger(entry) if not e.anew and e.not_before <= now]

    def granted(self, entry: Entry, lease: Lease) -> None:
        """Note the order: what is not renewed was opened just now, whatever the clock was set to."""
        others = self.of(entry)
        known = entry.lease or entry.adopted
        if entry.opened_at is None or known is None or not is_same(known, lease):
            after = [e.opened_at + timedelta(microseconds=1) for e in others if e.opened_at is not None]
            entry.opened_at = max([self._clock.now(), *after])
        if others:
            self._ledger.note_order(lease, entry.opened_at, entry.anew)

    # Doubt

    def table_lost(self, entries: Iterable[Entry]) -> None:
        """Note that their gateway has a new table; of requests under way, any may have come first into it."""
        for entry in entries:
            others = self.of(entry)
            for one in (entry, *others) if others else ():
                self.doubt(one)
            for place in entry.places:
                self._doubt_orphans(place.internal_address, entry.mapping.internal_port)

    def lost(self, entry: Entry) -> None:
        """Note that the gateway does not hold it: in its place it may have closed a younger one."""
        for twin in self.younger(entry):
            self.doubt(twin)
            self._plan(twin)

    def released(self, lease: Lease) -> None:
        """Have what stands behind the same internal port opened anew, or what is being adopted there."""
        left = [e for e in self._at(lease.internal_port) if _may_stand_beside(e, lease)]
        if all(entry.mapping.protocol is lease.protocol for entry in left):
            return
        self._doubt_orphans(lease.internal_address, lease.internal_port)
        for entry in left:
            self.doubt(entry)
            if entry.lease is not None:
                self._plan(entry)

    def asked(self, entry: Entry, gateway: Gateway, internal: IPAddress) -> None:
        """Note that a gateway renewed it, or that its answer was lost.

        It may have taken the place of a younger one. That puts itself right by its renewal, before it moves
        to another gateway; but for two protocols: what PCP replaced is not restored over UPnP.
        """
        for twin in self.younger(entry):
            twin.doubtful = twin.doubtful or twin.moving
            held = twin.lease or twin.adopted
            if held is not None and held.backend != gateway.backend:
                self.doubt(twin)
        for stored in self._orphans(entry, gateway, internal):
            opened_at = stored.opened_at or stored.granted_at
            if stored.anew or entry.opened_at is None:
                continue
            if entry.opened_at > opened_at:  # an earlier run's elder that nobody renewed first in this one
                self._ledger.doubt(stored.lease)
                self.doubt(entry)
            elif stored.lease.backend != gateway.backend:
                self._ledger.doubt(stored.lease)

    async def make_ready(self, entry: Entry, gateway: Gateway, internal: IPAddress) -> bool:
        """Release what is in doubt beside it; tell whether it stands alone then, or upon what is known.

        Raises:
            GatewayTimeout, NetworkFailure: it could not be done. The next time it is left at that: a protocol
                that is switched off for good must not keep another one from opening ports.
        """
        certain = True
        silent = {identity for identity, error in entry.refusals if _is_silence(error)}
        for twin in self.of(entry):
            twin.doubtful = twin.doubtful or (twin.anew and twin.lease is not None)
        for lease in self._in_doubt(entry, gateway, internal):
            via = self._discovery.gateway(lease.gateway, lease.internal_address)
            if via is None or via.identity in silent:
                certain = False
                continue
            try:
                await bounded(via, via.unmap(lease))
            except BackendError as error:
                if _is_silence(error) and (entry.attempts == 0 or via.identity == gateway.identity):
                    raise
                certain = certain and not _is_silence(error)
                _log.debug("%s: cannot release %s in doubt: %s", via.backend, lease.external_port, error)
        return certain

    def _in_doubt(self, entry: Entry, gateway: Gateway, internal: IPAddress) -> list[Lease]:
        place = (str(gateway.address), internal, entry.mapping.internal_port)
        held = [twin.lease for twin in self.of(entry) if twin.anew and twin.lease is not None]
        orphans = self._orphans(entry, gateway, internal)
        left = [stored.lease for stored in orphans if stored.anew or not stored.confirmed]
        return [lease for lease in (*held, *left) if hole(lease) == place]

    def _orphans(self, entry: Entry, gateway: Gateway, internal: IPAddress) -> list[StoredLease]:
        """Return what may stand beside it on this device by the other protocol, and no entry holds."""
        if entry.mapping.family is Family.IPV6:
            return []
        device = [other.identity for other in self._discovery.gateways if other.address == gateway.address]
        behind_it = self._ledger.orphans_behind(device, internal, entry.mapping.internal_port)
        return [stored for stored in behind_it if stored.lease.protocol is not entry.mapping.protocol]

    def doubt(self, entry: Entry) -> None:
        """Note that nobody knows where its filter rule stands."""
        entry.anew = True
        if entry.lease is not None:
            self._ledger.doubt(entry.lease)

    def _doubt_orphans(self, internal: IPAddress, internal_port: int) -> None:
        known = {gateway.identity for gateway in self._discovery.gateways}
        for stored in self._ledger.orphans_behind(known, internal, internal_port):
            self._ledger.doubt(stored.lease)

    def _at(self, internal_port: int) -> list[Entry]:
        if self._by_port is None:
            ports: defaultdict[int, list[Entry]] = defaultdict(list)
            for entry in self._entries.values():
                ports[entry.mapping.internal_port].append(entry)
            self._by_port = dict(ports)
        return self._by_port.get(internal_port, [])


def behind(entry: Entry) -> Behind:
    """What the mappings behind one internal port have in common."""
    mapping = entry.mapping
    return (mapping.family, mapping.address, mapping.internal_port, mapping.gateway)


def _may_stand_beside(entry: Entry, lease: Lease) -> bool:
    if entry.lease is not None:
        return hole(entry.lease) == hole(lease)
    return entry.mapping.family is lease.family


def _is_elder(one: Entry, other: Entry) -> bool:
    return one.opened_at is not None and other.opened_at is not None and one.opened_at < other.opened_at


def _is_silence(error: BackendError) -> bool:
    return isinstance(error, NetworkFailure | GatewayTimeout)
