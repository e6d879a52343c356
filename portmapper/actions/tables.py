"""The gateways' tables, read once, and our leases that no table shows."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from types import TracebackType
from typing import Self

import attrs

from portmapper.api.backend import Backend, Gateway, ListsMappings, PartialTable, Target
from portmapper.api.errors import BackendError
from portmapper.api.model import IPAddress, Lease, Protocol, TableEntry
from portmapper.gateways.brief import Brief, KnownGateways, NothingKnown
from portmapper.gateways.calls import read_table
from portmapper.gateways.probe import Probe, hurry_others
from portmapper.pluginhost import guard
from portmapper.store.stored_lease import StoredLease
from portmapper.support.wall_clock import wall_now


@attrs.frozen
class TableRow:
    """One open port.

    Attributes:
        entry: the entry in the gateway's table, or an entry made from our lease.
        backend: the backend that read the table or holds the lease.
        device: the gateway's address.
        gateway: the gateway whose table has the entry; None for a lease that no table shows.
        stored: our lease; None if the mapping is not ours.
    """

    entry: TableEntry
    backend: str
    device: str
    gateway: Gateway | None = None
    stored: StoredLease | None = None


class GatewayTables:
    """Reads the table of every gateway that can list; the gateways stay open inside the block.

    Attributes:
        gateways: all gateways that answered.
        rows: every open port, sorted by protocol and port.
        failures: identity of a gateway to the reason why its table cannot be read.
        readable: identities of the gateways whose tables were read whole.
        partial: identity of a gateway to the number of entries read, if it failed before the end.
        search_failures: backend name to the reason why it found no gateway.
    """

    def __init__(
        self,
        backends: Sequence[Backend],
        targets: Sequence[Target],
        leases: Iterable[StoredLease],
        now: datetime,
        known: KnownGateways | None = None,
    ) -> None:
        """Configure the probe for `backends` at `targets`, with our leases at time `now`.

        `known` is what the last run knew of gateways.
        """
        self.gateways: list[Gateway] = []
        self.rows: list[TableRow] = []
        self.failures: dict[str, BackendError] = {}
        self.readable: set[str] = set()
        self.partial: dict[str, int] = {}
        self.search_failures: dict[str, BackendError] = {}
        self._backends = backends
        self._leases = [stored for stored in leases if not stored.expired(now)]
        all_targets = [*targets, *_more_targets(targets, [stored.lease for stored in self._leases])]
        brief = Brief(known or NothingKnown())
        self._probes = [Probe(target, backends, self._ended, brief=brief) for target in all_targets]
        self._found: list[Gateway] = []
        self._by_port: defaultdict[tuple[str, Protocol, int], list[StoredLease]] = defaultdict(list)
        for stored in self._leases:
            lease = stored.lease
            self._by_port[_device(lease), lease.protocol, lease.external_port].append(stored)

    async def __aenter__(self) -> Self:
        """Find the gateways and read their tables."""
        try:
            await asyncio.gather(*(probe.round() for probe in self._probes))
            self._found = [gateway for probe in self._probes for gateway in probe.gateways]
            first = {gateway.identity: gateway for gateway in reversed(self._found)}
            self.gateways = [gateway for gateway in self._found if first[gateway.identity] is gateway]
            for probe in self._probes:
                self.search_failures.update(probe.failures)
            tables = await asyncio.gather(*(self._read(gateway) for gateway in self.gateways))
            self.rows = sorted(self._merged([row for table in tables for row in table]), key=_sort_key)
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
        """Return the gateway with that identity; None if it did not answer.

        Args:
            identity: identity of the gateway.
            host: an internal address; the gateway as found from that address is preferred.
        """
        known = [gateway for gateway in self._found if gateway.identity == identity]
        return next((gateway for gateway in known if gateway.local_address == host), next(iter(known), None))

    def same_device(self, gateway: Gateway) -> list[Gateway]:
        """Return the gateways of the same device over other protocols, found from the same address."""
        where = (str(gateway.address), gateway.local_address)
        found = [g for g in self._found if (str(g.address), g.local_address) == where]
        return [other for other in found if other.backend != gateway.backend]

    def _ended(self, probe: Probe) -> None:
        hurry_others(probe, self._probes)

    async def _close(self) -> None:
        for probe in self._probes:
            await probe.close()
        for backend in self._backends:
            await guard.close(f"backend:{backend.name}", backend)

    async def _read(self, gateway: Gateway) -> list[TableRow]:
        if not isinstance(gateway, ListsMappings):
            return []
        try:
            entries = await read_table(gateway)
        except BackendError as error:
            self.failures[gateway.identity] = error
            return []
        if isinstance(entries, PartialTable):
            self.partial[gateway.identity] = len(entries)
        else:
            self.readable.add(gateway.identity)
        device = str(gateway.address)
        return [
            TableRow(entry, gateway.backend, device, gateway, self._ours(entry, device)) for entry in entries
        ]

    def _ours(self, entry: TableEntry, device: str) -> StoredLease | None:
        """Return our lease for this entry; one table shows the mappings of all protocols of a device."""
        candidates = self._by_port[device, entry.protocol, entry.external_port]
        return next((stored for stored in candidates if _matches(stored.lease, entry)), None)

    def _merged(self, rows: list[TableRow]) -> Iterator[TableRow]:
        """Yield each entry of a device once, then our leases on gateways whose table was not read."""
        seen = set()
        for row in rows:
            key = (row.device, row.entry.protocol, row.entry.external_port, row.entry.internal_address)
            if key not in seen:
                seen.add(key)
                yield row
        shown = {row.stored.lease.token for row in rows if row.stored}
        for stored in self._leases:
            if (
                stored.confirmed
                and stored.lease.token not in shown
                and stored.lease.gateway not in self.readable
            ):
                yield TableRow(_entry_of(stored), stored.lease.backend, _device(stored.lease), None, stored)


def _more_targets(targets: Sequence[Target], leases: Sequence[Lease]) -> list[Target]:
    """Return targets for more IPv6 addresses with leases: only a pinhole's own host can close it."""
    known = {target.local_address for target in targets}
    hosts = dict.fromkeys((lease.internal_address, _device(lease)) for lease in leases)
    return [
        attrs.evolve(target, local_address=host)
        for host, device in hosts
        for target in targets
        if host.version == 6 and host not in known and str(target.gateway) == device
    ]


def _matches(lease: Lease, entry: TableEntry) -> bool:
    """Tell whether an entry may be our lease: another program of this host may have taken its port."""
    same_host = entry.internal_address in (lease.internal_address, None)
    return same_host and entry.internal_port in (lease.internal_port, 0)


def _device(lease: Lease) -> str:
    return lease.gateway.partition(":")[2]


def _entry_of(stored: StoredLease) -> TableEntry:
    lease = stored.lease
    elapsed = wall_now().timestamp() - stored.granted_at.timestamp()
    return TableEntry(
        protocol=lease.protocol,
        external_port=lease.external_port,
        internal_address=lease.internal_address,
        internal_port=lease.internal_port,
        comment=stored.comment,
        # A negative time since the grant means that the clock was set back.
        lifetime=0 if lease.permanent else max(1, int(lease.lifetime - max(elapsed, 0))),
    )


def _sort_key(row: TableRow) -> tuple[Protocol, int, str]:
    return (row.entry.protocol, row.entry.external_port, row.device)


def lease_from_entry(entry: TableEntry, gateway: Gateway, internal: IPAddress) -> Lease:
    """Return a lease for an entry of a gateway's table, to release it."""
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
