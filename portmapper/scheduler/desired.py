"""The difference between a new list of desired mappings and the records."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol as Interface

from portmapper.api.model import Mapping, MappingKey
from portmapper.scheduler.coupling import Coupling
from portmapper.scheduler.inputs import Desired, Input, Undesired
from portmapper.scheduler.record import Record


class Records(Interface):
    """The writer of records."""

    records: dict[MappingKey, Record]

    def add(self, key: MappingKey, mapping: Mapping) -> None:
        """Add a record."""

    def take(self, key: MappingKey, given: Input) -> None:
        """Put an input through the table."""


def take_desired(mappings: Iterable[Mapping], writer: Records, coupling: Coupling) -> None:
    """Add, change and drop records; the first of two mappings with the same key wins."""
    desired: dict[MappingKey, Mapping] = {}
    for mapping in mappings:
        desired.setdefault(mapping.key, mapping)
    for key in [key for key, record in writer.records.items() if not _goes_on(record, desired.get(key))]:
        writer.take(key, Undesired())
    for key, mapping in desired.items():
        record = writer.records.get(key)
        if record is None:
            coupling.add(key, mapping)
            writer.add(key, mapping)
        elif record.mapping is not mapping and record.mapping != mapping:
            writer.take(key, Desired(mapping))


def _goes_on(record: Record, mapping: Mapping | None) -> bool:
    """Return whether a record serves this mapping. For other remote hosts, it is closed and opened again."""
    return mapping is not None and mapping.remote == record.mapping.remote
