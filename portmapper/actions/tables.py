"""The gateways' own tables, read once: every entry, and the leases of ours that no table shows."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from types import TracebackType
from typing import Self

import attrs

from portmapper.api.backend import Backend, Gateway, ListsMappings, Target
from portmapper.api.errors import BackendError
from portmapper.api.model import IPAddress, Lease, Protocol, TableEntry
from portmapper.gateways.calls import read_table
from portmapper.gateways.probe import Probe
from portmapper.pluginhost import guard
from portmapper.store.leases import StoredLease


@attrs.frozen
class Listed:
    """One open port.

    Attributes:
        entry: what the gateway's table says, or what our lease amounts to.
        backend: who told, or who holds the lease.
        device: the gateway's address.
        gateway: where it was read, None for a lease that no table shows.
        stored: our lease, None for what is not ours.
    """

    entry: TableEntry
    backend: str
    device: str
    gateway: Gateway | None = None
    stored: StoredLease | None = None


class GatewayTables:
    """Asks every gateway that can list, whatever its rank; the gateways stay open inside the block.

    Attributes:
        gateways: all that answered.
        rows: every open port, by protocol and port.
        failures: identity of a gateway to why it does not show its table.
        readable: identities of the gateways that showed their table.
        silences: backend name to the reason it gave for finding nothing.
    """

    def __init__(
        self,
        backends: Sequence[Backend],
        targets: Sequence[Target],
        leases: Iterable[StoredLease],
        now: datetime,
    ) -> None:
        """Prepare to ask `backends` at `targets`; `leases` are ours as they stand at time `now`."""
        self.gateways: list[Gateway] = []
        self.rows: list[Listed] = []
        self.failures: dict[str, BackendError] = {}
        self.readable: set[str] = set()
        self.silences: dict[str, BackendError] = {}
        self._backends = backends
        self._leases = [stored for stored in leases if not stored.expired(now)]
        requested = [*targets, *_further(targets, [stored.lease for stored in self._leases])]
        self._searches = [Probe(target, backends, lambda _: None) for target in requested]
        self._reached: list[Gateway] = []
        self._by_port: defaultdict[tuple[str, Protocol, int], list[StoredLease]] = defaultdict(list)
        for stored in self._leases:
            lease = stored.lease
            self._by_port[_device(lease), lease.protocol, lease.external_port].append(stored)

    async def __aenter__(self) -> Self:
        """Probe, and read."""
        try:
            await asyncio.gather(*(search.round() for search in self._searches))
            self._reached = [gateway for search in self._searches for gateway in search.gateways]
            first = {gateway.identity: gateway for gateway in reversed(self._reached)}
            self.gateways = [gateway for gateway in self._reached if first[gateway.identity] is gateway]
            for search in self._searches:
                self.silences.update(search.failures)
            tables = await asyncio.gather(*(self._read(gateway) for gateway in self.gateways))
            self.rows = sorted(self._merged([row for table in tables for row in table]), key=_place)
        except BaseException:
            await self._close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close every gateway."""
        await self._close()

    def gateway(self, identity: str, host: IPAddress) -> Gateway | None:
        """Return the gateway of that identity, None when it did not answer.

        Args:
            identity: of the gateway.
            host: an internal address; the gateway as it is reached from there comes first.
        """
        known = [gateway for gateway in self._reached if gateway.identity == identity]
        return next((gateway for gateway in known if gateway.local_address == host), next(iter(known), None))

    def same_device(self, gateway: Gateway) -> list[Gateway]:
        """Return what the same device answers to the same address of ours over other protocols."""
        where = (str(gateway.address), gateway.local_address)
        reached = [g for g in self._reached if (str(g.address), g.local_address) == where]
        return [other for other in reached if other.backend != gateway.backend]

    async def _close(self) -> None:
        for search in self._searches:
            await search.close()
        for backend in self._backends:
            await guard.close(f"backend:{backend.name}", backend)

    async def _read(self, gateway: Gateway) -> list[Listed]:
        if not isinstance(gateway, ListsMappings):
            return []
        try:
            entries = await read_table(gateway)
        except BackendError as error:
            self.failures[gateway.identity] = error
            return []
        self.readable.add(gateway.identity)
        device = str(gateway.address)
        return [
            Listed(entry, gateway.backend, device, gateway, self._ours(entry, device)) for entry in entries
        ]

    def _ours(self, entry: TableEntry, device: str) -> StoredLease | None:
        """Return our lease that this entry is; a device shows in one table what it opened over others."""
        there = self._by_port[device, entry.protocol, entry.external_port]
        return next((stored for stored in there if _leads_there(stored.lease, entry)), None)

    def _merged(self, rows: list[Listed]) -> Iterator[Listed]:
        """Yield each entry of a device once, then our leases at gateways that show no table."""
        seen = set()
        for row in rows:
            hole = (row.device, row.entry.protocol, row.entry.external_port, row.entry.internal_address)
            if hole not in seen:
                seen.add(hole)
                yield row
        shown = {row.stored.lease.token for row in rows if row.stored}
        for stored in self._leases:
            if (
                stored.confirmed
                and stored.lease.token not in shown
                and stored.lease.gateway not in self.readable
            ):
                yield Listed(_entry_of(stored), stored.lease.backend, _device(stored.lease), None, stored)


def _further(targets: Sequence[Target], leases: Sequence[Lease]) -> list[Target]:
    """Return targets for the further IPv6 addresses that leases are for: each closes its own pinholes."""
    known = {target.local_address for target in targets}
    hosts = dict.fromkeys((lease.internal_address, _device(lease)) for lease in leases)
    return [
        attrs.evolve(target, local_address=host)
        for host, device in hosts
        for target in targets
        if host.version == 6 and host not in known and str(target.gateway) == device
    ]


def _leads_there(lease: Lease, entry: TableEntry) -> bool:
    return entry.internal_address is None or entry.internal_address == lease.internal_address


def _device(lease: Lease) -> str:
    return lease.gateway.partition(":")[2]


def _entry_of(stored: StoredLease) -> TableEntry:
    lease = stored.lease
    left = stored.granted_at.timestamp() + lease.lifetime - datetime.now(stored.granted_at.tzinfo).timestamp()
    return TableEntry(
        protocol=lease.protocol,
        external_port=lease.external_port,
        internal_address=lease.internal_address,
        internal_port=lease.internal_port,
        comment=stored.comment,
        lifetime=0 if lease.permanent else max(1, int(left)),
    )


def _place(row: Listed) -> tuple[Protocol, int, str]:
    return (row.entry.protocol, row.entry.external_port, row.device)


def lease_of(entry: TableEntry, gateway: Gateway, internal: IPAddress) -> Lease:
    """Return the lease that an entry of a gateway's table amounts to, to release it."""
    return Lease(
        protocol=entry.protocol,
        internal_address=internal,
        internal_port=entry.internal_port,
        external_port=entry.external_port,
        external_address=None,
        lifetime=0,
        permanent=True,
        backend=gateway.backend,
        gateway=gateway.identity,
    )
