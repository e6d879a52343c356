"""Looks, once an interval, at what no gateway announced: outside addresses, lost leases, lost tables."""

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

Moved = Callable[[Gateway, IPAddress | None, IPAddress | None], None]


class Resync:
    """What is checked rather than told.

    Attributes:
        external: gateway identity to the outside address it last told.
    """

    def __init__(
        self,
        discovery: Discovery,
        queues: WorkQueues,
        pairs: ProtocolPairs,
        renew: Callable[[LeaseState], None],
        vanished: Callable[[LeaseState], None],
        moved: Moved,
    ) -> None:
        """Prepare.

        Args:
            discovery: the gateways known.
            queues: carry the questions.
            twins: know which renewal may close another port for a moment.
            renew: asked to renew an entry out of turn.
            vanished: told of an entry whose lease the gateway does not hold.
            moved: told of a gateway's new outside address, after the old one.
        """
        self.external: dict[str, IPAddress | None] = {}
        self._discovery = discovery
        self._queues = queues
        self._pairs = pairs
        self._renew = renew
        self._vanished = vanished
        self._moved = moved

    def learn(self, gateway: Gateway, lease: Lease) -> None:
        """Take the outside address from a fresh lease, or ask for it the first time."""
        if lease.family is Family.IPV6:
            return  # nothing is translated: a pinhole has its host's own address
        if lease.external_address is not None:
            self._note(gateway, lease.external_address)
        elif gateway.identity not in self.external:
            self.ask_address(gateway)

    def ask_address(self, gateway: Gateway) -> None:
        """Ask a gateway for its outside address, in its lane."""
        if gateway.local_address.version == 6:
            return
        self.external.setdefault(gateway.identity, None)
        self._queues.submit(gateway, partial(self._ask_address, gateway))

    def look(self, entries: Iterable[LeaseState]) -> None:
        """Check every gateway in use.

        A gateway with a table that can be read is asked for each lease. Of one without, the lease
        that is next in turn is renewed: the answer's epoch shows a lost table, and its address the
        outside address, even when the announcement was lost.
        """
        for gateway, mine in self._by_holder(entries).items():
            self.ask_address(gateway)
            if isinstance(gateway, VerifiesLeases):
                for entry in mine:
                    self._queues.submit(gateway, partial(self._verify, gateway, entry))
            else:
                self._renew(self._next_in_turn(mine))

    def _next_in_turn(self, held: Iterable[LeaseState]) -> LeaseState:
        """Return the one that is due first; one whose renewal takes no other's with it, if there is any."""
        by_turn = sorted(held, key=lambda entry: entry.due or 0.0)
        return next((entry for entry in by_turn if not self._pairs.of(entry)), by_turn[0])

    def _by_holder(self, entries: Iterable[LeaseState]) -> dict[Gateway, list[LeaseState]]:
        held: defaultdict[Gateway, list[LeaseState]] = defaultdict(list)
        known: dict[tuple[str, int, int], Gateway | None] = {}
        for entry in entries:
            lease = entry.lease
            if lease is None:
                continue
            # Nearly all are held by one gateway, for one address: to compare two costs more than all else.
            use = (lease.gateway, id(lease.internal_address), id(entry.places))
            if use not in known:
                known[use] = self._holder(lease, entry.places)
            gateway = known[use]
            if gateway is not None:
                held[gateway].append(entry)
        return held

    def _holder(self, lease: Lease, places: Iterable[Place]) -> Gateway | None:
        """Return who holds a lease, as it is reached from the address that this host has now.

        A former address stays known while its leases wait to be released; from there nobody answers.
        """
        identity = lease.gateway
        ours = [lease.internal_address, *(place.target.local_address for place in places)]
        for side in ours:
            gateway = self._discovery.gateway(identity, side)
            if gateway is not None and gateway.local_address == side:
                return gateway
        return self._discovery.gateway(identity)

    async def _ask_address(self, gateway: Gateway) -> None:
        try:
            address = await read_external_address(gateway)
        except BackendError:
            return  # a gateway that is down is seen by its leases; the last address stays known
        self._note(gateway, address)

    def _note(self, gateway: Gateway, address: IPAddress | None) -> None:
        before = self.external.get(gateway.identity)
        self.external[gateway.identity] = address
        if before is not None and address != before:
            self._moved(gateway, before, address)

    async def _verify(self, gateway: Gateway, entry: LeaseState) -> None:
        lease = entry.lease
        if not isinstance(gateway, VerifiesLeases) or lease is None or lease.gateway != gateway.identity:
            return
        try:
            holds = await verify_lease(gateway, lease)
        except BackendError:
            return  # no answer proves nothing; the renewal will tell
        if entry.lease is lease:
            if holds:
                entry.losses = 0
            else:
                self._vanished(entry)
