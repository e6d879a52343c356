"""Which stored lease belongs to which mapping, and which belongs to none and must be released."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from datetime import datetime

import attrs

from portmapper.api.backend import Gateway
from portmapper.api.errors import UNREACHABLE, BackendError
from portmapper.api.model import ANY_PORT, Family, IPAddress, Lease, Mapping, MapRequest, Protocol, TableEntry
from portmapper.store.leases import AnyPort, Store, StoredLease

_Inside = tuple[str, Protocol, IPAddress, int]
_Port = tuple[Family, Protocol, int]


class Ownership:
    """Every lease that may stand: those of an entry, and the orphans.

    An orphan is a lease that no wanted mapping claims: left by an earlier run, by an edit, by a
    change of address, or by a request whose answer was lost.
    """

    def __init__(self, store: Store, scope: Collection[str] | None) -> None:
        """Take over what the store knows.

        Args:
            store: the lease store.
            scope: the sources whose orphans are ours to release; None is all of them.
        """
        self._store = store
        self._scope = scope
        self._orphans: dict[bytes, StoredLease] = {}
        self._by_use: defaultdict[_Inside, dict[int, bytes]] = defaultdict(dict)
        self._by_port: dict[_Port, tuple[bytes, ...]] = {}  # mostly one, and a set takes 0.2 KiB
        for stored in store.leases:
            self._note_port(stored)
            self.abandon(stored.lease.token)

    def adopt(self, mapping: Mapping, gateway: Gateway, internal: IPAddress) -> StoredLease | None:
        """Return the orphan that this gateway holds for exactly this mapping; it is none any more."""
        inside = (gateway.identity, mapping.protocol, internal, mapping.internal_port)
        stored = self._orphans.get(self._by_use.get(inside, {}).get(mapping.port, b""))
        if stored is not None:
            self._claim(stored)
        return stored

    def may_stand(self, mapping: Mapping, internal: IPAddress) -> bool:
        """Tell whether its port may be open already for that address, over whichever protocol."""
        at_port = self._at((mapping.family, mapping.protocol, self.port_to_ask(mapping)))
        inside = (internal, mapping.internal_port)
        return any((s.lease.internal_address, s.lease.internal_port) == inside for s in at_port)

    def ask_for(self, request: MapRequest, mapping: Mapping, gateway: Gateway, now: datetime) -> MapRequest:
        """Write down what is about to be asked, so that a crash cannot lose a granted port."""
        if request.held is not None:
            return request
        request = request if request.token else attrs.evolve(request, token=os.urandom(12))
        requested = Lease(
            protocol=request.protocol,
            internal_address=request.internal_address,
            internal_port=request.internal_port,
            external_port=request.external_port,
            external_address=None,
            lifetime=request.lifetime,
            permanent=request.lifetime == 0,
            backend=gateway.backend,
            gateway=gateway.identity,
            token=request.token,
        )
        self._put(StoredLease(requested, mapping.port, now, False, mapping.source, mapping.comment))
        return request

    def granted(self, lease: Lease, mapping: Mapping, now: datetime) -> None:
        """Write down what was granted."""
        self._put(StoredLease(lease, mapping.port, now, True, mapping.source, mapping.comment))
        for other in [s.lease for s in self._at((lease.family, lease.protocol, lease.external_port))]:
            if other.token in self._orphans and displaces(lease, other):
                self.released(other.token)
        if mapping.port == ANY_PORT and mapping.family is Family.IPV4:
            self._store.remember_port(_any_port(mapping), lease.external_port)

    def port_to_ask(self, mapping: Mapping) -> int:
        """Return the external port to ask for: who takes any gets the one that they had.

        A pinhole has no external port of its own.
        """
        if mapping.family is Family.IPV6:
            return mapping.internal_port
        if mapping.port != ANY_PORT:
            return mapping.port
        return self._store.ports.get(_any_port(mapping), ANY_PORT)

    def not_granted(self, request: MapRequest, error: BackendError, holding: Lease | None) -> None:
        """Forget a request that was refused; what may stand all the same becomes an orphan.

        `holding` is the lease that its entry goes on holding.
        """
        if holding is not None and holding.token == request.token:
            return
        if request.held is not None or isinstance(error, UNREACHABLE):
            self.abandon(request.token)
        else:
            self.released(request.token)

    def abandon(self, token: bytes) -> None:
        """Make a lease an orphan: nobody wants it any more."""
        stored = self._store.get(token)
        if stored is not None:
            self._orphans[token] = stored
            self._by_use[_inside(stored)][stored.wanted_port] = token

    def released(self, token: bytes) -> None:
        """Forget a lease that stands no longer."""
        stored = self._store.get(token)
        if stored is None:
            return
        self._store.remove(token)
        self._forget_port(stored)
        if token in self._orphans:
            self._claim(stored)

    def orphans(self) -> list[StoredLease]:
        """Return what is to be released, also what ran out by itself."""
        return [s for s in self._orphans.values() if self._scope is None or s.source in self._scope]

    @property
    def orphan_count(self) -> int:
        """How many orphans there are, of whatever source."""
        return len(self._orphans)

    def is_ours(self, holder: TableEntry, request: MapRequest, gateway: Gateway) -> bool:
        """Tell whether a gateway's entry may be replaced as our own.

        It may when it leads to the very host that asks, or when we opened it earlier (under another
        address, perhaps). It may not when it serves another mapping that is wanted now.
        """
        known = list(self._at((request.family, holder.protocol, holder.external_port)))
        here = [s for s in known if is_at(s.lease, gateway)]
        if any(s.lease.token not in self._orphans and s.lease.token != request.token for s in here):
            return False
        if holder.internal_address == request.internal_address:
            return True
        return any(s.lease.internal_address == holder.internal_address for s in known)

    def orphan_at(self, request: MapRequest, gateway: Gateway) -> StoredLease | None:
        """Return an orphan of ours that holds the external port of a request there, if there is one."""
        port = (request.family, request.protocol, request.external_port)
        there = (s for s in self._at(port) if is_at(s.lease, gateway))
        return next((s for s in there if s.lease.token in self._orphans), None)

    def orphan_behind(self, request: MapRequest, gateway: Gateway) -> StoredLease | None:
        """Return an orphan at this gateway that leads where the request wants to, under another token."""
        inside = (gateway.identity, request.protocol, request.internal_address, request.internal_port)
        others = (token for token in self._by_use.get(inside, {}).values() if token != request.token)
        return next((self._orphans[token] for token in others), None)

    def counterpart_of(self, lease: Lease) -> Lease | None:
        """Return the lease for the same port by the other protocol, on this device; a wanted one first."""
        other = Protocol.UDP if lease.protocol is Protocol.TCP else Protocol.TCP
        at_port = [stored.lease for stored in self._at((lease.family, other, lease.external_port))]
        pairs = [counterpart for counterpart in at_port if hole(counterpart) == hole(lease)]
        return min(pairs, key=lambda counterpart: counterpart.token in self._orphans, default=None)

    def cover_of(self, orphan: StoredLease) -> Lease | None:
        """Return the wanted lease that opens the very hole that an orphan does, if there is one.

        Many gateways keep one table for all protocols: releasing the hole that PCP opened would
        close what UPnP has renewed since.
        """
        desired = (s.lease for s in self._at(_port(orphan)) if s.lease.token not in self._orphans)
        return next((lease for lease in desired if hole(lease) == hole(orphan.lease)), None)

    def all(self) -> Iterable[StoredLease]:
        """Return every lease that may stand, wanted or not, within the scope."""
        return [s for s in self._store.leases if self._scope is None or s.source in self._scope]

    def _claim(self, stored: StoredLease) -> None:
        """Make it no orphan any more."""
        del self._orphans[stored.lease.token]
        ports = self._by_use[_inside(stored)]
        if ports.get(stored.wanted_port) == stored.lease.token:
            del ports[stored.wanted_port]
        if not ports:
            del self._by_use[_inside(stored)]

    def _at(self, port: _Port) -> Iterator[StoredLease]:
        for token in self._by_port.get(port, ()):
            stored = self._store.get(token)
            if stored is not None:
                yield stored

    def _put(self, stored: StoredLease) -> None:
        before = self._store.get(stored.lease.token)
        if before is not None and _port(before) != _port(stored):
            self._forget_port(before)
        self._note_port(stored)
        self._store.put(stored)

    def _note_port(self, stored: StoredLease) -> None:
        tokens = self._by_port.get(_port(stored), ())
        if stored.lease.token not in tokens:
            self._by_port[_port(stored)] = (*tokens, stored.lease.token)

    def _forget_port(self, stored: StoredLease) -> None:
        others = tuple(token for token in self._by_port[_port(stored)] if token != stored.lease.token)
        if others:
            self._by_port[_port(stored)] = others
        else:
            del self._by_port[_port(stored)]


def _any_port(mapping: Mapping) -> AnyPort:
    # Two gateways that keep the same mapping open give a port each.
    at = f"@{mapping.gateway}" if mapping.gateway else ""
    return (mapping.protocol, f"{mapping.address or ''}{at}", mapping.internal_port)


def _inside(stored: StoredLease) -> _Inside:
    lease = stored.lease
    return (lease.gateway, lease.protocol, lease.internal_address, lease.internal_port)


def _port(stored: StoredLease) -> _Port:
    return (stored.lease.family, stored.lease.protocol, stored.lease.external_port)


def displaces(lease: Lease, other: Lease) -> bool:
    """Tell whether what was granted proves that another lease stands no longer.

    A gateway has one host behind an external port; a pinhole is known by its host.
    """
    port = (lease.protocol, lease.external_port, _device(lease))
    same_port = port == (other.protocol, other.external_port, _device(other))
    return lease.family is Family.IPV4 is other.family and same_port and hole(lease) != hole(other)


def is_at(lease: Lease, gateway: Gateway) -> bool:
    """Tell whether a lease stands on this device, over whichever protocol."""
    return _device(lease) == str(gateway.address)


def hole(lease: Lease) -> tuple[str, IPAddress, int]:
    """What the gateway's device forwards to; the external port is known to be the same."""
    return (_device(lease), lease.internal_address, lease.internal_port)


def _device(lease: Lease) -> str:
    return lease.gateway.partition(":")[2]
