"""Rows become mappings: each once, however often its document is read again, and each slot once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from collections.abc import Mapping as AnyMapping

from portmapper.api.errors import RowError, SourceError, quoted
from portmapper.api.model import Family, Mapping
from portmapper.api.reading import Rejected
from portmapper.api.source import Row
from portmapper.sources.policy import Policy
from portmapper.sources.row_parser import MAX_MAPPINGS, mappings_of

MAX_ROWS = 65536


class RowCache:
    """The mappings of each row of the last document, so that one changed row costs one row.

    A row is known by the hash of its place and values: 64 bits, keyed by the process for text. Each mapping
    goes with its slot: two mappings of one slot cannot both be had.
    """

    def __init__(self, families: Sequence[Family], policy: Policy) -> None:
        self._families = families
        self._policy = policy
        self._known: dict[int, _Slots] = {}

    def take(self, rows: Iterable[Row], location: str) -> tuple[list[Mapping], list[Rejected]]:
        """Return the mappings of all rows, and the rows rejected, those that repeat another included."""
        known: dict[int, _Slots] = {}
        taken: dict[str, Mapping] = {}
        rejected: list[Rejected] = []
        refusal = self._policy.checker()
        for count, row in enumerate(rows, 1):
            if not isinstance(row, Row) or not isinstance(row.fields, AnyMapping):
                raise TypeError(f"{quoted(row)} is no row")
            if count > MAX_ROWS:
                raise SourceError(f"more than {MAX_ROWS} rows")
            key = _row_key(row)
            try:
                slots = self._known.get(key) or self._slots(row, location, len(taken), refusal)
            except RowError as error:
                if row.unfinished and self._known:
                    raise SourceError(f"{row.place}: ends in the middle, {error.reason}") from None
                rejected.append(rejected_row(row, error))
                continue
            if key:
                known[key] = slots
            duplicate = _add(slots, taken)
            if duplicate is not None:
                rejected.append(Rejected(row.place, f"same as {duplicate.where}"))
        if len(taken) > MAX_MAPPINGS:
            raise SourceError(f"more than {MAX_MAPPINGS} mappings")
        self._known = known
        return list(taken.values()), rejected

    def _slots(self, row: Row, location: str, taken: int, refusal: Callable[[Mapping], str]) -> _Slots:
        mappings = mappings_of(row, location, MAX_MAPPINGS - taken, self._families)
        for mapping in mappings:
            if reason := refusal(mapping):
                raise RowError("", reason)
        return _slots(mappings)


_Slots = tuple[tuple[str, Mapping], ...]


def _row_key(row: Row) -> int:
    """Return 0 for a row that cannot be known again (JSON may put a list where a text belongs)."""
    fields = row.fields
    values = tuple(fields.values())
    try:
        # With the types: 1, 1.0 and true are one key to Python, and three values to us.
        return hash((row.place, row.error, tuple(fields), values, tuple(map(type, values))))
    except TypeError:
        return 0


def _slots(mappings: Iterable[Mapping]) -> _Slots:
    # Any port twice is two ports, as long as they lead to different ones.
    return tuple(
        (f"{m.port or -m.internal_port} {m.protocol} {m.family} {m.address} {m.gateway}", m) for m in mappings
    )


def _add(slots: _Slots, taken: dict[str, Mapping]) -> Mapping | None:
    """Add the mappings whose slot is free, and return the holder of one that is not."""
    duplicate = None
    for slot, mapping in slots:
        first = taken.setdefault(slot, mapping)
        if first is not mapping:
            duplicate = duplicate or first
    return duplicate


def rejected_row(row: Row, error: RowError) -> Rejected:
    """Name the place of what is wrong with a row as its document's reader would."""
    if not error.field:
        return Rejected(row.place, error.reason)
    name = error.field if error.field.isidentifier() else quoted(error.field)
    return Rejected(row.field_place.replace("{}", name), error.reason)
