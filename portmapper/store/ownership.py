"""Ownership of the stored leases: which belong to a mapping, and which are orphans to release."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator
from datetime import datetime

import attrs

from portmapper.api.backend import Gateway
from portmapper.api.errors import UNREACHABLE, BackendError, Conflict
from portmapper.api.model import ANY_PORT, Family, IPAddress, Lease, Mapping, MapRequest, Protocol, TableEntry
from portmapper.store.comparison import displaces, forward_target, is_on_device
from portmapper.store.interface import LeaseStore
from portmapper.store.stored_lease import AnyPort, StoredLease
from portmapper.support.values import evolve

ChooseToken = Callable[[str, Protocol, IPAddress, int], bytes | None]
"""Chooses the token for a gateway's identity, a protocol, an internal address and an internal port."""

_InternalKey = tuple[str, Protocol, IPAddress, int]
_ExternalPort = tuple[Family, Protocol, int]


def no_token(gateway: str, protocol: Protocol, address: IPAddress, port: int) -> bytes | None:
    """Choose no token: it is random."""
    return None


class Ownership:
    """Every lease that a gateway may hold: the leases of desired mappings, and the orphans.

    An orphan is a lease that no desired mapping claims. It is left over from an earlier run, an edit of the
    list, a change of address, or a request whose answer was lost.
    """

    def __init__(
        self, store: LeaseStore, scope: Collection[str] | None, choose_token: ChooseToken = no_token
    ) -> None:
        """Take all leases of the store as orphans; mappings adopt theirs later.

        Args:
            store: the lease store.
            scope: sources whose orphans may be released; None means all.
            choose_token: chooses the token of a new mapping; without one, it is random.
        """
        self._store = store
        self._scope = scope
        self._choose_token = choose_token
        self._orphans: dict[bytes, StoredLease] = {}
        self._orphans_by_internal: defaultdict[_InternalKey, dict[int, bytes]] = defaultdict(dict)
        # By the number alone, and tuples, because each mostly holds one token: keys with family and protocol
        # take 64 bytes more for each lease, and a set takes 0.2 KiB.
        self._by_external: dict[int, tuple[bytes, ...]] = {}
        for stored in store.leases:
            self._index(stored)
            self.abandon(stored.lease.token)

    def adopt(self, mapping: Mapping, gateway: Gateway, internal: IPAddress) -> StoredLease | None:
        """Return the orphan that this gateway holds for exactly this mapping, now claimed by it."""
        key = (gateway.identity, mapping.protocol, internal, mapping.internal_port)
        stored = self._orphans.get(self._orphans_by_internal.get(key, {}).get(mapping.port, b""))
        if stored is not None and stored.lease.remote != mapping.remote:
            return None  # it is open to other hosts: it is released, and the mapping is opened after that
        if stored is not None:
            self._claim(stored)
        return stored

    def may_be_open(self, mapping: Mapping, internal: IPAddress) -> bool:
        """Return whether the port may already be open for that address, over any port mapping protocol."""
        at_port = self._at((mapping.family, mapping.protocol, self.port_to_request(mapping)))
        endpoint = (internal, mapping.internal_port)
        return any((s.lease.internal_address, s.lease.internal_port) == endpoint for s in at_port)

    def store_request(
        self, request: MapRequest, mapping: Mapping, gateway: Gateway, now: datetime
    ) -> MapRequest:
        """Store a lease before it is requested, so that a crash cannot lose a granted port."""
        if request.held is not None:
            return request
        request = request if request.token else evolve(request, token=self._new_token(request, gateway))
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
            remote=request.remote,
        )
        self._put(_stored(requested, mapping, now, confirmed=False))
        return request

    async def written(self) -> None:
        """Wait until the requests are stored, or the store cannot be written."""
        await self._store.written()

    def granted(self, lease: Lease, mapping: Mapping, now: datetime) -> None:
        """Store a granted lease, and remove the orphans that it displaces."""
        self._put(_stored(lease, mapping, now, confirmed=True))
        at_port = self._at((lease.family, lease.protocol, lease.external_port)) if self._orphans else ()
        for other in [stored.lease for stored in at_port]:
            if other.token in self._orphans and displaces(lease, other):
                self.released(other.token)
        if mapping.port == ANY_PORT and mapping.family is Family.IPV4:
            self._store.remember_port(_any_port(mapping), lease.external_port)

    def found(self, lease: Lease, comment: str, now: datetime) -> None:
        """Take a lease that the store has lost as an orphan: a gateway's table shows it."""
        known = self._at((lease.family, lease.protocol, lease.external_port))
        if all(forward_target(stored.lease) != forward_target(lease) for stored in known):
            self._put(StoredLease(lease, lease.external_port, now, confirmed=True, comment=comment))
            self.abandon(lease.token)

    def _new_token(self, request: MapRequest, gateway: Gateway) -> bytes:
        """Return the token that the cluster knows for a mapping, or a random one.

        Only PCP and NAT-PMP identify a mapping by its internal port, as the cluster's tokens do. If two
        mappings of that port compete, only the first gets that token: with the same token, a server would
        take the second for a renewal of the first.
        """
        if gateway.one_per_internal_port:
            chosen = self._choose_token(
                gateway.identity, request.protocol, request.internal_address, request.internal_port
            )
            if chosen and (chosen in self._orphans or self._store.get(chosen) is None):
                return chosen
        return os.urandom(12)

    def port_to_request(self, mapping: Mapping) -> int:
        """Return the external port to request: for any port, the last one that was granted.

        The external port of a pinhole is its internal port.
        """
        if mapping.family is Family.IPV6:
            return mapping.internal_port
        if mapping.port != ANY_PORT:
            return mapping.port
        return self._store.ports.get(_any_port(mapping), ANY_PORT)

    def request_failed(self, request: MapRequest, error: BackendError, kept: Lease | None) -> None:
        """Remove a request that was refused; if the gateway may still hold its lease, that becomes an orphan.

        `kept` is the lease that the mapping keeps all the same.
        """
        if kept is not None and kept.token == request.token:
            return
        if isinstance(error, Conflict) and error.unreleased is not None:
            self._keep_for_release(error.unreleased)
        elif request.held is not None or isinstance(error, UNREACHABLE):
            self.abandon(request.token)
        else:
            self.released(request.token)

    def _keep_for_release(self, lease: Lease) -> None:
        """Make an orphan of what a gateway granted instead of the request; its release is tried again."""
        stored = self._store.get(lease.token)
        if stored is not None:
            self._put(attrs.evolve(stored, lease=lease, confirmed=True))
            self.abandon(lease.token)

    def abandon(self, token: bytes) -> None:
        """Make a lease an orphan, because no mapping claims it any more."""
        stored = self._store.get(token)
        if stored is not None:
            self._orphans[token] = stored
            self._orphans_by_internal[_internal_key(stored)][stored.wanted_port] = token

    def disturb(self, token: bytes) -> None:
        """Store that a release may close this lease, until it is granted again."""
        stored = self._store.get(token)
        if stored is not None:
            self._put(attrs.evolve(stored, disturbed=True))

    def released(self, token: bytes) -> None:
        """Remove a lease that the gateway no longer holds."""
        stored = self._store.get(token)
        if stored is None:
            return
        self._store.remove(token)
        self._unindex(stored)
        if token in self._orphans:
            self._claim(stored)

    def orphans(self) -> list[StoredLease]:
        """Return the orphans within the scope, including expired ones."""
        return [s for s in self._orphans.values() if self._scope is None or s.source in self._scope]

    def is_orphan(self, token: bytes) -> bool:
        """Return whether no mapping has adopted this lease."""
        return token in self._orphans

    @property
    def orphan_count(self) -> int:
        """The number of orphans of all sources."""
        return len(self._orphans)

    def is_ours(self, holder: TableEntry, request: MapRequest, gateway: Gateway) -> bool:
        """Return whether we may replace the entry that holds a port on the gateway.

        We may if the entry leads to the address that requests the port, or if we opened it earlier, perhaps
        for another address. We may not if it serves another mapping that is desired now.
        """
        known = list(self._at((request.family, holder.protocol, holder.external_port)))
        here = [s for s in known if is_on_device(s.lease, gateway)]
        if any(s.lease.token not in self._orphans and s.lease.token != request.token for s in here):
            return False
        if holder.internal_address == request.internal_address:
            return True
        return any(s.lease.internal_address == holder.internal_address for s in known)

    def orphan_at_external_port(self, request: MapRequest, gateway: Gateway) -> StoredLease | None:
        """Return the orphan on the gateway's device that has the request's external port, if any."""
        if not self._orphans:
            return None
        port = (request.family, request.protocol, request.external_port)
        there = (s for s in self._at(port) if is_on_device(s.lease, gateway))
        return next((s for s in there if s.lease.token in self._orphans), None)

    def orphan_at_internal_port(self, request: MapRequest, gateway: Gateway) -> StoredLease | None:
        """Return an orphan at this gateway with the request's internal address and port, if any."""
        key = (gateway.identity, request.protocol, request.internal_address, request.internal_port)
        others = (
            token for token in self._orphans_by_internal.get(key, {}).values() if token != request.token
        )
        return next((self._orphans[token] for token in others), None)

    def counterpart_of(self, lease: Lease) -> Lease | None:
        """Return the lease for the same port and the other protocol on this device; orphans come last."""
        protocol = Protocol.UDP if lease.protocol is Protocol.TCP else Protocol.TCP
        at_port = [stored.lease for stored in self._at((lease.family, protocol, lease.external_port))]
        counterparts = [other for other in at_port if forward_target(other) == forward_target(lease)]
        return min(counterparts, key=lambda other: other.token in self._orphans, default=None)

    def desired_lease_of_same_forward(self, orphan: StoredLease) -> Lease | None:
        """Return the desired lease that forwards the same port to the same place as an orphan, if any.

        Many gateways keep one table for all port mapping protocols. There, releasing an orphan that PCP
        opened would close what UPnP has renewed since.
        """
        lease = orphan.lease
        at_port = self._at((lease.family, lease.protocol, lease.external_port))
        desired = (s.lease for s in at_port if s.lease.token not in self._orphans)
        target = forward_target(lease)
        return next((other for other in desired if forward_target(other) == target), None)

    def all(self) -> Iterable[StoredLease]:
        """Return every lease within the scope, also those that no mapping claims."""
        return [s for s in self._store.leases if self._scope is None or s.source in self._scope]

    def _claim(self, stored: StoredLease) -> None:
        """Claim an orphaned lease."""
        del self._orphans[stored.lease.token]
        ports = self._orphans_by_internal[_internal_key(stored)]
        if ports.get(stored.wanted_port) == stored.lease.token:
            del ports[stored.wanted_port]
        if not ports:
            del self._orphans_by_internal[_internal_key(stored)]

    def _at(self, port: _ExternalPort) -> Iterator[StoredLease]:
        family, protocol, number = port
        for token in self._by_external.get(number, ()):
            stored = self._store.get(token)
            if stored is not None and (stored.lease.protocol, stored.lease.family) == (protocol, family):
                yield stored

    def _put(self, stored: StoredLease) -> None:
        before = self._store.get(stored.lease.token)
        if before is None:
            self._index(stored)
        elif before.lease.external_port != stored.lease.external_port:
            self._unindex(before)
            self._index(stored)
        self._store.put(stored)

    def _index(self, stored: StoredLease) -> None:
        port = stored.lease.external_port
        self._by_external[port] = (*self._by_external.get(port, ()), stored.lease.token)

    def _unindex(self, stored: StoredLease) -> None:
        port = stored.lease.external_port
        others = tuple(token for token in self._by_external[port] if token != stored.lease.token)
        if others:
            self._by_external[port] = others
        else:
            del self._by_external[port]


def _stored(lease: Lease, mapping: Mapping, now: datetime, *, confirmed: bool) -> StoredLease:
    return StoredLease(lease, mapping.port, now, confirmed, mapping.source, mapping.comment, mapping.origin)


def _any_port(mapping: Mapping) -> AnyPort:
    # Two gateways that open the same mapping each grant their own port.
    at = f"@{mapping.gateway}" if mapping.gateway else ""
    return (mapping.protocol, f"{mapping.address or ''}{at}", mapping.internal_port)


def _internal_key(stored: StoredLease) -> _InternalKey:
    lease = stored.lease
    return (lease.gateway, lease.protocol, lease.internal_address, lease.internal_port)
