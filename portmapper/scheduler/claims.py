"""Which orphans must stay for now, because an attempt may adopt or replace them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping as AnyMapping
from typing import Any, TypeVar

from portmapper.api.model import Family, Mapping, MappingKey, Protocol
from portmapper.scheduler.record import Record
from portmapper.store.stored_lease import StoredLease

_Port = tuple[Family, Protocol, int]
_Ports = tuple[Family, Protocol, int, int]
_Key = TypeVar("_Key")


class Claims:
    """An index of the attempts under way and of the mappings that hold nothing, by their ports."""

    def __init__(self, records: AnyMapping[MappingKey, Record]) -> None:
        self._records = records
        # Not Counter: its methods are written in Python, and these are counted four times for each attempt.
        self._external: defaultdict[_Port, int] = defaultdict(int)
        self._internal: defaultdict[_Port, int] = defaultdict(int)
        # Lists, because each has one or two keys: a set takes 0.2 KiB, and thousands may be under way.
        self._seeking: defaultdict[_Ports, list[MappingKey]] = defaultdict(list)

    def update(self, key: MappingKey, before: Record | None, after: Record | None) -> None:
        """Note that a record was replaced by another; None means no record."""
        record = after or before
        if record is None:
            return
        was, now = before is not None and before.attempting, after is not None and after.attempting
        if was != now:
            self._count(record.mapping, 1 if now else -1)
        sought, seeks = _seeks(before), _seeks(after)
        if sought != seeks:
            self._seek(key, record.mapping, begins=seeks)

    def claimed(self, stored: StoredLease) -> bool:
        """Return whether an orphan has to stay for now.

        It stays while an attempt is under way for its external port or its internal one, and while the
        very mapping that it was made for is not open: the next attempt may adopt it.
        """
        lease = stored.lease
        external = (lease.family, lease.protocol, stored.wanted_port) in self._external
        internal = (lease.family, lease.protocol, lease.internal_port) in self._internal
        return external or internal or self.sought(stored)

    def sought(self, stored: StoredLease) -> bool:
        """Return whether a mapping that is not open may adopt it."""
        lease = stored.lease
        keys = self._seeking.get((lease.family, lease.protocol, stored.wanted_port, lease.internal_port), ())
        device = lease.gateway.partition(":")[2]
        seeking = [self._records[key] for key in keys if self._records[key].is_for(device)]
        return any(
            lease.internal_address == place.internal_address and lease.remote == record.mapping.remote
            for record in seeking
            for place in record.places
        )

    def awaited(self, stored: StoredLease) -> bool:
        """Return whether its mapping is open elsewhere, and adopts it once its gateway answers again."""
        lease = stored.lease
        device = lease.gateway.partition(":")[2]
        keys = (
            (lease.protocol, lease.family, stored.wanted_port, address, lease.internal_port, gateway)
            for address in (None, lease.internal_address)
            for gateway in (None, device)
        )
        records = (self._records[key] for key in keys if key in self._records)
        return any(
            record.mapping.remote == lease.remote
            and record.comes_back_to(lease.internal_address, lease.gateway)
            for record in records
        )

    def _count(self, mapping: Mapping, step: int) -> None:
        for counts, port in ((self._external, mapping.port), (self._internal, mapping.internal_port)):
            counted = (mapping.family, mapping.protocol, port)
            counts[counted] += step
            if not counts[counted]:
                _remove(counts, counted)

    def _seek(self, key: MappingKey, mapping: Mapping, *, begins: bool) -> None:
        ports = (mapping.family, mapping.protocol, mapping.port, mapping.internal_port)
        if begins:
            self._seeking[ports].append(key)
            return
        self._seeking[ports].remove(key)
        if not self._seeking[ports]:
            _remove(self._seeking, ports)


def _remove(table: dict[_Key, Any], key: _Key) -> None:
    """Delete an entry; free an empty table, because a dict keeps the size that it had with thousands."""
    del table[key]
    if not table:
        table.clear()


def _seeks(record: Record | None) -> bool:
    return record is not None and record.lease is None and record.serial > 0
