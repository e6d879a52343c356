"""Checks, once per interval, what gateways did not announce: external addresses, lost leases, lost tables."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from functools import partial

from portmapper.api.backend import Gateway, VerifiesLeases
from portmapper.api.errors import BackendError
from portmapper.api.model import Family, IPAddress, Lease
from portmapper.gateways.calls import read_external_address, verify_lease
from portmapper.gateways.discovery import Discovery
from portmapper.gateways.workqueue import WorkQueues
from portmapper.network.placement import Place
from portmapper.scheduler.lease_state import LeaseState
from portmapper.scheduler.protocol_pairs import ProtocolPairs

AddressChanged = Callable[[Gateway, IPAddress | None, IPAddress | None], None]


class Resync:
    """Compares what is known of the gateways with what they report when queried.

    Attributes:
        external: latest external address of each gateway, by gateway identity.
    """

    def __init__(
        self,
        discovery: Discovery,
        queues: WorkQueues,
        pairs: ProtocolPairs,
        renew: Callable[[LeaseState], None],
        vanished: Callable[[LeaseState], None],
        address_changed: AddressChanged,
    ) -> None:
        """Keep the collaborators.

        Args:
            discovery: the known gateways.
            queues: run the queries.
            pairs: know which renewal may close another port for a moment.
            renew: called with an entry to renew before it is due.
            vanished: called with an entry whose lease the gateway does not hold.
            address_changed: called with a gateway, its former and its new external address.
        """
        self.external: dict[str, IPAddress | None] = {}
        self._discovery = discovery
        self._queues = queues
        self._pairs = pairs
        self._renew = renew
        self._vanished = vanished
        self._address_changed = address_changed

    def update_address(self, gateway: Gateway, lease: Lease) -> None:
        """Take the external address from a fresh lease, or query it the first time."""
        if lease.family is Family.IPV6:
            return  # nothing is translated: a pinhole has its host's own address
        if lease.external_address is not None:
            self._set_address(gateway, lease.external_address)
        elif gateway.identity not in self.external:
            self.query_address(gateway)

    def query_address(self, gateway: Gateway) -> None:
        """Queue a query of the gateway's external address."""
        if gateway.local_address.version == 6:
            return
        self.external.setdefault(gateway.identity, None)
        self._queues.submit(gateway, partial(self._query_address, gateway))

    def check(self, entries: Iterable[LeaseState]) -> None:
        """Check every gateway that holds a lease.

        If the gateway's table can be read, each lease is verified. If not, one lease is renewed: the answer's
        epoch reveals a lost table, and its address the external address, even if the announcement was lost.
        """
        for gateway, held in self._by_holder(entries).items():
            self.query_address(gateway)
            if isinstance(gateway, VerifiesLeases):
                for entry in held:
                    self._queues.submit(gateway, partial(self._verify, gateway, entry))
            else:
                self._renew(self._next_to_renew(held))

    def _next_to_renew(self, held: Iterable[LeaseState]) -> LeaseState:
        """Return the entry that is due first, preferably one whose renewal closes no counterpart."""
        by_due_time = sorted(held, key=lambda entry: entry.due or 0.0)
        return next((entry for entry in by_due_time if not self._pairs.counterpart(entry)), by_due_time[0])

    def _by_holder(self, entries: Iterable[LeaseState]) -> dict[Gateway, list[LeaseState]]:
        held: defaultdict[Gateway, list[LeaseState]] = defaultdict(list)
        known: dict[tuple[str, int, int], Gateway | None] = {}
        for entry in entries:
            lease = entry.lease
            if lease is None:
                continue
            # Nearly all leases share one gateway and one address. Comparing addresses would cost more than
            # everything else here, so this compares identities.
            use = (lease.gateway, id(lease.internal_address), id(entry.places))
            if use not in known:
                known[use] = self._holder(lease, entry.places)
            gateway = known[use]
            if gateway is not None:
                held[gateway].append(entry)
        return held

    def _holder(self, lease: Lease, places: Iterable[Place]) -> Gateway | None:
        """Return the gateway that holds a lease, as reached from an address that this host has now.

        A former address stays known until its leases are released, but no gateway can be reached from it.
        """
        identity = lease.gateway
        ours = [lease.internal_address, *(place.target.local_address for place in places)]
        for side in ours:
            gateway = self._discovery.gateway(identity, side)
            if gateway is not None and gateway.local_address == side:
                return gateway
        return self._discovery.gateway(identity)

    async def _query_address(self, gateway: Gateway) -> None:
        try:
            address = await read_external_address(gateway)
        except BackendError:
            return  # keep the last address; the leases will show whether the gateway is down
        self._set_address(gateway, address)

    def _set_address(self, gateway: Gateway, address: IPAddress | None) -> None:
        before = self.external.get(gateway.identity)
        self.external[gateway.identity] = address
        if before is not None and address != before:
            self._address_changed(gateway, before, address)

    async def _verify(self, gateway: Gateway, entry: LeaseState) -> None:
        lease = entry.lease
        if not isinstance(gateway, VerifiesLeases) or lease is None or lease.gateway != gateway.identity:
            return
        try:
            holds = await verify_lease(gateway, lease)
        except BackendError:
            return  # no answer proves nothing; the renewal will show it
        if entry.lease is lease:
            if holds:
                entry.losses = 0
            else:
                self._vanished(entry)
