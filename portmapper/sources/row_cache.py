"""Converts rows to mappings, caches unchanged rows, and rejects duplicates."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from collections.abc import Mapping as AnyMapping

from portmapper.api.errors import RowError, SourceError, quoted
from portmapper.api.model import Mapping
from portmapper.api.reading import Rejected
from portmapper.api.source import FormatOptions, Row
from portmapper.sources.comment_encoding import row_warning
from portmapper.sources.mapping_check import mapping_check
from portmapper.sources.policy import Policy
from portmapper.sources.preset_rows import PRESET
from portmapper.sources.row_parser import TooManyMappings, mappings_of
from portmapper.sources.shared_ports import shared_ports
from portmapper.sources.trust import Limits, Trust
from portmapper.sources.unknown_fields import UnknownFields

MAX_ROWS = 65536


class RowCache:
    """The mappings of each row of the last document, so that only changed rows are parsed again.

    The key of a row is a 64-bit hash of its place and values, which Python randomizes per process for text.
    Each mapping has a slot: of two mappings with the same slot, only the first is accepted.

    Attributes:
        warnings: rows of the last document that are used although something is wrong with them.
    """

    def __init__(self, options: FormatOptions, policy: Policy, limits: Limits | None = None) -> None:
        """Cache nothing yet; limits without `trust` allow everything."""
        limits = limits or Limits()
        self._options = options
        self._policy = policy
        self._trust = frozenset(Trust) if limits.trust is None else limits.trust
        self._limit = limits.max_mappings
        self._known: dict[int, _Slots] = {}
        self.warnings: list[Rejected] = []

    def convert(self, rows: Iterable[Row], location: str) -> tuple[list[Mapping], list[Rejected]]:
        """Return the mappings of all rows and the rejected rows, including duplicates."""
        known: dict[int, _Slots] = {}
        taken: dict[str, Mapping] = {}
        rejected: list[Rejected] = []
        warnings: list[Rejected] = []
        unknown = UnknownFields()
        lines: dict[str, int] = {}
        check = mapping_check(self._policy, self._trust, backends=self._options.backends)
        for row in _checked(rows):
            key = _row_key(row)
            try:
                slots = self._known.get(key) or self._slots(row, location, len(taken), check)
            except RowError as error:
                if row.unfinished and self._known:
                    raise SourceError(f"{row.where}: the row is incomplete: {error.reason}") from None
                rejected.append(rejected_row(row, error))
                continue
            if key:
                known[key] = slots
            unknown.note(row)
            if warning := row_warning(row):
                warnings.append(warning)
            if row.line:
                lines[row.where] = row.line
            duplicate = _add(slots, taken)
            if duplicate is not None:
                rejected.append(Rejected(row.where, f"same as {duplicate.where}", row.line))
        if len(taken) > self._limit:
            raise SourceError(_too_many(self._limit))
        shared = shared_ports(taken.values(), lines)
        self._known, self.warnings = known, [*unknown.warnings, *shared, *warnings]
        return list(taken.values()), rejected

    def _slots(self, row: Row, location: str, taken: int, check: Callable[[Mapping], None]) -> _Slots:
        try:
            mappings = mappings_of(row, location, self._limit - taken, self._options.families)
        except TooManyMappings as error:
            raise SourceError(f"{error.where}: {_too_many(self._limit)}") from None
        for mapping in mappings:
            check(mapping)
        return _slots(mappings)


def _checked(rows: Iterable[Row]) -> Iterator[Row]:
    for count, row in enumerate(rows, 1):
        if not isinstance(row, Row) or not isinstance(row.fields, AnyMapping):
            raise TypeError(f"{quoted(row)} is not a row")
        if count > MAX_ROWS:
            raise SourceError(f"more than {MAX_ROWS} rows")
        yield row


def _too_many(limit: int) -> str:
    return (
        f"more than {limit} mappings: use fewer, or raise max_mappings in the [[source]] table of this list"
    )


_Slots = tuple[tuple[str, Mapping], ...]


def _row_key(row: Row) -> int:
    """Return the key of a row, 0 if it cannot be hashed (JSON may contain a list instead of text).

    It is also 0 if a reload of the settings may change the ports of the row's preset.
    """
    fields = row.fields
    if fields.get(PRESET):
        return 0
    values = tuple(fields.values())
    try:
        # Include the types: 1, 1.0 and True have the same hash, but only 1 is a valid port.
        return hash((row.where, row.origin, row.error, tuple(fields), values, tuple(map(type, values))))
    except TypeError:
        return 0


def _slots(mappings: Iterable[Mapping]) -> _Slots:
    # Two mappings of port `any` do not conflict if their internal ports differ.
    return tuple(
        (f"{m.port or -m.internal_port} {m.protocol} {m.family} {m.address} {m.gateway}", m) for m in mappings
    )


def _add(slots: _Slots, taken: dict[str, Mapping]) -> Mapping | None:
    """Add the mappings whose slot is free; return the mapping that already has one of the slots."""
    duplicate = None
    for slot, mapping in slots:
        first = taken.setdefault(slot, mapping)
        if first is not mapping:
            duplicate = duplicate or first
    return duplicate


def rejected_row(row: Row, error: RowError) -> Rejected:
    """Return the rejected row with the place of the invalid field."""
    if not error.field:
        return Rejected(row.where, error.reason, row.line)
    name = error.field if error.field.isidentifier() else quoted(error.field)
    return Rejected(row.field_where.replace("{}", name), error.reason, row.line)
