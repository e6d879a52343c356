"""Checks, once an interval, what no gateway announced: external addresses, lost leases, lost tables."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Protocol as Interface

from portmapper.api.backend import ChecksTable, Gateway, VerifiesLeases
from portmapper.api.errors import UNREACHABLE, BackendError
from portmapper.api.model import Family, IPAddress, Lease, MappingKey
from portmapper.gateways.calls import read_external_address, table_may_have_changed, verify_lease
from portmapper.gateways.discovery import Discovery
from portmapper.gateways.workqueue import Priority, WorkQueues
from portmapper.network.placement import Place
from portmapper.scheduler.coupling import Coupling
from portmapper.scheduler.record import Record

_Item = tuple[MappingKey, Record]


class Findings(Interface):
    """Who takes what is found."""

    def renew_early(self, key: MappingKey) -> None:
        """Renew a mapping ahead of time: the answer shows whether the gateway restarted."""

    def verified(self, key: MappingKey, lease: Lease, *, holds: bool) -> None:
        """Take the answer whether the gateway holds a lease."""

    def moved(
        self,
        gateway: Gateway,
        before: IPAddress,
        now: IPAddress | None,
        external: Mapping[str, IPAddress | None],
    ) -> None:
        """Take a gateway's new external address; `external` has what each gateway told."""


class Resync:
    """What is queried rather than announced.

    Attributes:
        external: gateway identity to the external address that it last told.
    """

    def __init__(
        self,
        records: Mapping[MappingKey, Record],
        discovery: Discovery,
        queues: WorkQueues,
        coupling: Coupling,
        findings: Findings,
    ) -> None:
        self._round = 0
        self.external: dict[str, IPAddress | None] = {}
        self._records = records
        self._discovery = discovery
        self._queues = queues
        self._coupling = coupling
        self._findings = findings

    def update_address(self, gateway: Gateway, lease: Lease) -> None:
        """Take the external address from a fresh lease, or query it the first time."""
        if lease.family is Family.IPV6:
            return  # nothing is translated: a pinhole has its host's own address
        if lease.external_address is not None:
            self._note(gateway, lease.external_address)
        elif gateway.identity not in self.external:
            self.query_address(gateway)

    def query_unknown(self, gateway: Gateway) -> None:
        """Query a gateway's external address the first time, unless that would only read the gateway."""
        if gateway.identity not in self.external and self._coupling.needs(gateway):
            self.query_address(gateway)

    def query_address(self, gateway: Gateway) -> None:
        """Query a gateway's external address, in its queue."""
        if gateway.local_address.version == 6:
            return
        self.external.setdefault(gateway.identity, None)
        self._queues.submit(gateway, partial(self._query_address, gateway), Priority.QUERY)

    def check(self) -> None:
        """Check every gateway in use.

        A gateway whose table can be read is queried for each lease. At any other, the lease that is next in
        turn is renewed: the epoch in the answer shows a lost table, and its address the external address,
        even when the announcement was lost. A gateway that can tell whether its table changed is asked for
        that alone, and in turn for its address and for one lease.
        """
        self._round += 1
        for gateway, mine in self._by_holder(self._records.items()).items():
            if not isinstance(gateway, ChecksTable) or self._round % 2 == 0:
                self.query_address(gateway)
            if isinstance(gateway, ChecksTable):
                self._queues.submit(gateway, partial(self._check_table, gateway), Priority.QUERY)
            elif isinstance(gateway, VerifiesLeases):
                self._verify_all(gateway, mine)
            else:
                self._findings.renew_early(self._next_in_turn(mine))

    def verify(self, gateway: Gateway) -> None:
        """Verify every lease on a gateway: someone else changed its table."""
        self._verify_all(gateway, self._by_holder(self._records.items()).get(gateway, ()))

    def _verify_all(self, gateway: Gateway, held: Iterable[_Item]) -> None:
        for key, _ in held:
            self._queues.submit(gateway, partial(self._verify, gateway, key), Priority.QUERY)

    async def _check_table(self, gateway: Gateway) -> None:
        assert isinstance(gateway, ChecksTable)
        try:
            changed = await table_may_have_changed(gateway)
        except BackendError as error:
            self._failed(gateway, error)
            return
        held = self._by_holder(self._records.items()).get(gateway, [])
        if changed:
            self._verify_all(gateway, held)
        elif held and self._round % 12 == 1:
            await self._verify_in_turn(gateway, held)

    async def _verify_in_turn(self, gateway: Gateway, held: Sequence[_Item]) -> None:
        """Verify one lease. If the gateway lost it unnoticed, it may have lost others."""
        key, record = held[self._round // 12 % len(held)]
        await self._verify(gateway, key)
        if self._records.get(key, record).lease is None:
            self._verify_all(gateway, [item for item in held if item[0] != key])

    def _next_in_turn(self, held: Iterable[_Item]) -> MappingKey:
        """Return the mapping that is due first; one whose renewal disturbs no peer, if there is any."""
        by_turn = sorted(held, key=lambda item: item[1].due or 0.0)
        alone = (key for key, record in by_turn if not self._coupling.has_peers(record.mapping))
        return next(alone, by_turn[0][0])

    def _by_holder(self, items: Iterable[_Item]) -> dict[Gateway, list[_Item]]:
        held: defaultdict[Gateway, list[_Item]] = defaultdict(list)
        known: dict[tuple[str, int, int], Gateway | None] = {}
        for key, record in items:
            lease = record.lease
            if lease is None:
                continue
            # Nearly all are held by one gateway, for one address: comparing two costs more than all else.
            use = (lease.gateway, id(lease.internal_address), id(record.places))
            if use not in known:
                known[use] = self._holder(lease, record.places)
            gateway = known[use]
            if gateway is not None:
                held[gateway].append((key, record))
        return held

    def _holder(self, lease: Lease, places: Iterable[Place]) -> Gateway | None:
        """Return the holder of a lease, as it is reached from the address that this host has now.

        A former address stays known while its leases wait for their release; from there nothing answers.
        """
        identity = lease.gateway
        ours = [lease.internal_address, *(place.target.local_address for place in places)]
        for side in ours:
            gateway = self._discovery.gateway(identity, side)
            if gateway is not None and gateway.local_address == side:
                return gateway
        return self._discovery.gateway(identity)

    def _failed(self, gateway: Gateway, error: BackendError) -> None:
        """Search again where a gateway does not answer: it may speak another protocol now.

        That proves nothing about its leases; their renewals show whether it still holds them.
        """
        if not isinstance(error, UNREACHABLE):
            return
        for probe in self._discovery.searches:
            if gateway in probe.gateways:
                self._discovery.search_again(probe.target)

    async def _query_address(self, gateway: Gateway) -> None:
        try:
            address = await read_external_address(gateway)
        except BackendError as error:
            self._failed(gateway, error)  # the last address stays known
            return
        self._note(gateway, address)

    def _note(self, gateway: Gateway, address: IPAddress | None) -> None:
        before = self.external.get(gateway.identity)
        self.external[gateway.identity] = address
        if before is not None and address != before:
            self._findings.moved(gateway, before, address, self.external)

    async def _verify(self, gateway: Gateway, key: MappingKey) -> None:
        record = self._records.get(key)
        lease = record.lease if record else None
        if not isinstance(gateway, VerifiesLeases) or lease is None or lease.gateway != gateway.identity:
            return
        try:
            holds = await verify_lease(gateway, lease)
        except BackendError as error:
            self._failed(gateway, error)
            return
        self._findings.verified(key, lease, holds=holds)
