"""Ad-hoc mappings, which `open` requested: they are in no source and are stored until `close`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from collections.abc import Mapping as AnyMapping
from datetime import datetime
from typing import Any
from typing import Protocol as Interface

from portmapper.api.errors import RowError, SourceError, UsageError
from portmapper.api.model import Mapping, remote_text
from portmapper.api.source import Row
from portmapper.network.host import Network, read_network
from portmapper.sources.policy import Policy
from portmapper.sources.row_parser import mappings_of

COMMAND_LINE = "command line"
"""Location of an ad-hoc mapping, in place of a source's location."""

EXPIRY_KEY = "lease_ends_at"
"""Key of a record that was opened without a daemon: the time when its lease expires, in seconds since the
epoch."""


class AdhocStorage(Interface):
    """Storage of the records of ad-hoc mappings, one JSON text each. The lease store implements it."""

    @property
    def adhoc(self) -> tuple[str, ...]:
        """The stored records."""

    @adhoc.setter
    def adhoc(self, records: tuple[str, ...]) -> None: ...


class AdhocMappings:
    """The ad-hoc mappings.

    Attributes:
        mappings: all of them, in the order of the requests.
    """

    def __init__(self, storage: AdhocStorage) -> None:
        """Read the stored records; skip those that this version cannot read."""
        self._storage = storage
        self._records = _records(storage.adhoc) if storage.adhoc else []
        self.mappings: tuple[Mapping, ...] = ()
        self._read()

    def adopt(self, now: datetime) -> None:
        """Keep mappings that were opened without a daemon, unless their lease has expired."""
        self._records = [
            record for record in self._records if record.get(EXPIRY_KEY, now.timestamp()) >= now.timestamp()
        ]
        for record in self._records:
            record.pop(EXPIRY_KEY, None)
        self._write()

    def current(self, now: datetime) -> tuple[Mapping, ...]:
        """Return the mappings, and forget those that have ended."""
        ended = {mapping.key for mapping in self.mappings if mapping.until and mapping.until <= now}
        if ended:
            self._discard(ended)
            self._write()
        return self.mappings

    def add(
        self, mappings: Iterable[Mapping], until: Callable[[Mapping], float | None] = lambda _: None
    ) -> None:
        """Add mappings, and replace earlier ones with the same key.

        Args:
            mappings: the mappings to add.
            until: returns when the lease expires, in seconds since the epoch; None if a daemon renews it.
        """
        added = list(mappings)
        self._discard({mapping.key for mapping in added})
        for mapping in added:
            end = until(mapping)
            self._records.append(to_record(mapping) | ({} if end is None else {EXPIRY_KEY: end}))
        self._write()

    def remove(self, mappings: Iterable[Mapping]) -> None:
        """Remove mappings."""
        self._discard({mapping.key for mapping in mappings})
        self._write()

    def _discard(self, keys: set[Any]) -> None:
        self._records = [record for record in self._records if not keys & {m.key for m in _mappings(record)}]

    def _write(self) -> None:
        import json  # a pass opens no ad-hoc mapping

        self._storage.adhoc = tuple(json.dumps(record) for record in self._records)
        self._read()

    def _read(self) -> None:
        self.mappings = tuple(mapping for record in self._records for mapping in _mappings(record))


def _records(texts: Iterable[str]) -> list[dict[str, Any]]:
    import json

    return [json.loads(text) for text in texts]


def parse_records(records: object) -> list[Mapping]:
    """Convert the records of a request to mappings, with the same checks as for rows.

    Raises:
        UsageError: a record is invalid.
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


def check_policy(
    mappings: Iterable[Mapping], policy: Policy, network: Callable[[], Network] = read_network
) -> None:
    """Check that the policy allows all mappings on this host's network.

    Raises:
        UsageError: the policy denies one.
    """
    refusal = policy.checker(network)
    for mapping in mappings:
        if reason := refusal(mapping):
            raise UsageError(f"{mapping.protocol} {mapping.port or 'any'}: {reason}")


def to_record(mapping: Mapping) -> dict[str, Any]:
    """Return the record of one mapping."""
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
        "remote": remote_text(mapping.remote),
        "when": "listening" if mapping.when_listening else None,
        "until": mapping.until.isoformat() if mapping.until else None,
        "schedule": mapping.schedule,
        "same_port": mapping.same_port or None,
    }
    return {name: value for name, value in record.items() if value not in (None, "")}


def _mappings(record: AnyMapping[str, Any]) -> list[Mapping]:
    try:
        return mappings_of(_row({k: v for k, v in record.items() if k != EXPIRY_KEY}, 0), COMMAND_LINE)
    except (RowError, SourceError):
        # Written by a newer version: it stays in the store but has no effect.
        return []


def _row(record: AnyMapping[str, object], place: int) -> Row:
    return Row(record, f"[{place}]", f"[{place}].{{}}", strict_keys=True)
