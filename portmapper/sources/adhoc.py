"""What `open` asked for: mappings that no source lists, kept in the store until `close`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from collections.abc import Mapping as AnyMapping
from datetime import datetime
from typing import Any
from typing import Protocol as Interface

from portmapper.api.errors import RowError, SourceError, UsageError
from portmapper.api.model import Mapping, Protocol
from portmapper.api.source import Row
from portmapper.sources.policy import Policy
from portmapper.sources.row_parser import mappings_of

COMMAND_LINE = "command line"
"""Where such a mapping is from, in place of a source's location."""

UNTIL = "until"
"""Key of a record that no daemon keeps: seconds since the epoch when its lease runs out."""

Port = tuple[Protocol, int]


class AdhocStorage(Interface):
    """Keeps the records of ad-hoc mappings, one JSON text each; the lease store is one."""

    @property
    def adhoc(self) -> tuple[str, ...]:
        """The records as they were last set."""

    @adhoc.setter
    def adhoc(self, records: tuple[str, ...]) -> None: ...


class AdhocMappings:
    """The mappings that `open` asked for.

    Attributes:
        mappings: all of them, in the order of asking.
    """

    def __init__(self, storage: AdhocStorage) -> None:
        """Read what the store knows; a record that this version cannot read is left out."""
        self._storage = storage
        self._records = [json.loads(text) for text in storage.adhoc]
        self.mappings: tuple[Mapping, ...] = ()
        self._read()

    def adopt(self, now: datetime) -> None:
        """Be a daemon's: what was opened without one is kept from now on, if it still stands."""
        self._records = [
            record for record in self._records if record.get(UNTIL, now.timestamp()) >= now.timestamp()
        ]
        for record in self._records:
            record.pop(UNTIL, None)
        self._write()

    def add(
        self, mappings: Iterable[Mapping], until: Callable[[Mapping], float | None] = lambda _: None
    ) -> None:
        """Ask for these, in place of earlier wishes for their ports.

        Args:
            mappings: what is wanted.
            until: when the lease runs out (seconds since the epoch); None when it is kept open.
        """
        added = list(mappings)
        self._forget({mapping.key for mapping in added})
        for mapping in added:
            end = until(mapping)
            self._records.append(to_record(mapping) | ({} if end is None else {UNTIL: end}))
        self._write()

    def remove(self, mappings: Iterable[Mapping]) -> None:
        """Ask for these no longer."""
        self._forget({mapping.key for mapping in mappings})
        self._write()

    def _forget(self, keys: set[Any]) -> None:
        self._records = [record for record in self._records if not keys & {m.key for m in _mappings(record)}]

    def _write(self) -> None:
        self._storage.adhoc = tuple(json.dumps(record) for record in self._records)
        self._read()

    def _read(self) -> None:
        self.mappings = tuple(mapping for record in self._records for mapping in _mappings(record))


def parse_records(records: object) -> list[Mapping]:
    """Return the mappings that a request's records stand for, checked as a list's rows are.

    Raises:
        UsageError: one of them is wrong.
    """
    if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
        raise UsageError('mappings must be a list of objects, such as {"port": 8080, "protocol": "TCP"}')
    try:
        return [
            mapping
            for place, record in enumerate(records)
            for mapping in mappings_of(_row(record, place), COMMAND_LINE)
        ]
    except (RowError, SourceError) as error:
        raise UsageError(str(error)) from None


def check_policy(mappings: Iterable[Mapping], policy: Policy) -> None:
    """See to it that the policy lets all of these be opened.

    Raises:
        UsageError: it denies one.
    """
    refusal = policy.checker()
    for mapping in mappings:
        if reason := refusal(mapping):
            raise UsageError(f"{mapping.protocol} {mapping.port or 'any'}: {reason}")


def to_record(mapping: Mapping) -> dict[str, Any]:
    """Return the record that stands for one mapping."""
    record = {
        "port": mapping.port or "any",
        "protocol": mapping.protocol.value,
        "internal_port": mapping.internal_port,
        "address": str(mapping.address) if mapping.address is not None else None,
        "family": None if mapping.address is not None else mapping.family.value,
        "duration": mapping.duration,
        "comment": mapping.comment,
        "conflict": mapping.conflict and mapping.conflict.value,
        "backend": mapping.backend,
        "gateway": mapping.gateway,
    }
    return {name: value for name, value in record.items() if value not in (None, "")}


def _mappings(record: AnyMapping[str, Any]) -> list[Mapping]:
    try:
        return mappings_of(_row({k: v for k, v in record.items() if k != UNTIL}, 0), COMMAND_LINE)
    except (RowError, SourceError):
        # Of a newer version, or of a plugin's family: it is kept in the file and not acted upon.
        return []


def _row(record: AnyMapping[str, object], place: int) -> Row:
    return Row(record, f"[{place}]", f"[{place}].{{}}", strict_keys=True)
