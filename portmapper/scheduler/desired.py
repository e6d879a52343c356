"""The list of desired mappings, and how the records follow it."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from portmapper.api.model import Family, Mapping, MappingKey
from portmapper.gateways.discovery import Discovery
from portmapper.network.topology import Topology
from portmapper.scheduler.coupling import Coupling
from portmapper.scheduler.denial import denial
from portmapper.scheduler.inputs import AttemptNow, Desired, NetworkChanged, Undesired
from portmapper.scheduler.options import PolicyCheck
from portmapper.scheduler.record import Record
from portmapper.scheduler.writer import Writer


class DesiredList:
    """The latest list. Each of its jobs does one step for each mapping."""

    def __init__(
        self,
        topology: Topology,
        discovery: Discovery,
        writer: Writer,
        coupling: Coupling,
        policy_check: PolicyCheck,
    ) -> None:
        """Start with an empty list."""
        self.mappings: tuple[Mapping, ...] = ()
        self._topology = topology
        self._discovery = discovery
        self._writer = writer
        self._coupling = coupling
        self._policy_check = policy_check

    @property
    def is_searching(self) -> bool:
        """Whether gateways may yet be found that a mapping for all of them is for."""
        return any(not self._discovery.search(target).done for target in self._topology.all_gateway_targets)

    def clear(self) -> None:
        """Desire nothing any more."""
        self.mappings = ()
        self._topology.all_gateway_targets.clear()

    def take(self) -> Iterator[None]:
        """Add, change and drop records; the first of two mappings with the same key wins."""
        desired: dict[MappingKey, Mapping] = {}
        for mapping in self._topology.expand(self.mappings):
            desired.setdefault(mapping.key, mapping)
            yield
        for key, record in list(self._writer.records.items()):
            if not _goes_on(record, desired.get(key)):
                self._writer.take(key, Undesired())
            yield
        for key, mapping in desired.items():
            self._follow(key, mapping)
            yield
        for target in self._topology.all_gateway_targets:
            self._discovery.search(target)

    def move(self, changed: Collection[Family]) -> Iterator[None]:
        """Take the list again in a network that changed for these families."""
        yield from self.take()
        self._discovery.search_all(changed)
        records = self._writer.records
        affected = [key for key, record in records.items() if record.mapping.family in changed]
        yield from self._writer.take_each((key, NetworkChanged()) for key in affected)

    def _follow(self, key: MappingKey, mapping: Mapping) -> None:
        record = self._writer.records.get(key)
        if record is None:
            self._coupling.add(key, mapping)
            self._writer.add(key, mapping)
        elif record.mapping is not mapping and record.mapping != mapping:
            self._writer.take(key, Desired(mapping))
        elif record.lease is not None and denial(mapping, record.lease.external_port, self._policy_check):
            # The policy has changed: the attempt closes the port that a gateway chose.
            self._writer.take(key, AttemptNow())


def _goes_on(record: Record, mapping: Mapping | None) -> bool:
    """Return whether a record serves this mapping. For other remote hosts, it is closed and opened again."""
    return mapping is not None and mapping.remote == record.mapping.remote
