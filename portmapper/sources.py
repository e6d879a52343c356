"""Reads sources through formats into mappings, and keeps the last good ones when a read fails."""

from __future__ import annotations

import asyncio
import enum
import logging
from collections.abc import Callable, Iterable, Sequence

import attrs

from portmapper.errors import RowError, SourceError, UsageError, quoted
from portmapper.model import Family, Mapping
from portmapper.records import MAX_MAPPINGS, mappings_of
from portmapper.source import MAX_DOCUMENT, Document, Format, FormatOptions, Row, Source
from portmapper.threads import in_thread

MAX_ROWS = 65536
AUTO = "auto"

MAX_WARNINGS = 20
"""Rejected rows of one reading that the log tells of one by one."""

_log = logging.getLogger(__name__)

# A document below this size is parsed in a few milliseconds; a larger one must not hold up renewals.
_PARSED_AT_ONCE = 64 * 1024


class SourceState(enum.StrEnum):
    """How the last read went.

    Attributes:
        OK: read and parsed; single rows may be rejected.
        STALE: it failed; the mappings are those of the last good read.
        FAILED: it failed, and there never was a good read.
    """

    OK = "ok"
    STALE = "stale"
    FAILED = "failed"


@attrs.frozen
class Rejected:
    """A row that was left out.

    Attributes:
        where: row, and column or key, such as `line 4, column port`.
        reason: what is wrong, the value included.
    """

    where: str
    reason: str


@attrs.frozen
class Reading:
    """What a source lists.

    Attributes:
        location: as the user wrote it, without a password.
        format: the name of the format, or of the source where it brings rows itself; empty when failed.
        state: how the last read went.
        mappings: all that are wanted from there, in the document's order.
        rejected: the rows left out.
        error: why it is not `ok`, one line without the location; None otherwise.
    """

    location: str
    format: str = ""
    state: SourceState = SourceState.FAILED
    mappings: tuple[Mapping, ...] = ()
    rejected: tuple[Rejected, ...] = ()
    error: str | None = None


class SourceReader:
    """One source with the formats it may be written in.

    Attributes:
        location: as the user wrote it, without a password.
        reading: the outcome of the last `read`.
    """

    def __init__(
        self, source: Source, formats: Sequence[type[Format]], chosen: str, options: FormatOptions
    ) -> None:
        self.location = source.location
        self.reading = Reading(source.location)
        self._source = source
        self._formats = formats
        self._chosen = chosen
        self._options = options
        self._good = self.reading
        self._seen: object = None
        self._rows = _RowCache(options.families)

    async def read(self) -> Reading:
        """Fetch and parse; never raises. What did not change is the very same `Reading` as before."""
        try:
            self._good = await self._read()
        except SourceError as error:
            return self._failed(str(error))
        except Exception as error:
            # A stranger's source or format may raise anything, and must not take the others along.
            return self._failed(f"{type(error).__name__}: {error}")
        self.reading = self._good
        return self.reading

    async def read_rows(self) -> list[Row]:
        """Fetch, and split into rows that nobody has looked at yet.

        Raises:
            SourceError: it cannot be read or parsed at all; the location is named.
        """
        try:
            fetched = await self._source.fetch()
            return list(self._split(fetched)[1] if isinstance(fetched, Document) else fetched)
        except SourceError as error:
            raise SourceError(f"{self.location}: {error}") from None

    async def watch(self, changed: Callable[[], None]) -> None:
        """Have `changed` called when a read may find something new, until `close`."""
        await self._source.watch(changed)

    async def close(self) -> None:
        """Stop watching, free what is open."""
        await self._source.close()

    async def _read(self) -> Reading:
        fetched = await self._source.fetch()
        seen = _fingerprint(fetched) if isinstance(fetched, Document) else tuple(fetched)
        if self._good.state is SourceState.OK and seen == self._seen:
            return self._good
        if not isinstance(fetched, Document):
            reading = self._collect(self._source.name, fetched)
        elif len(fetched.content) <= _PARSED_AT_ONCE:
            reading = self._parse(fetched)
        else:
            document = fetched
            reading = await in_thread(lambda: self._parse(document))
        self._seen = seen
        return reading

    def _parse(self, document: Document) -> Reading:
        return self._collect(*self._split(document))

    def _split(self, document: Document) -> tuple[str, Iterable[Row]]:
        if len(document.content) > MAX_DOCUMENT:
            raise SourceError(f"larger than {MAX_DOCUMENT // 2**20} MiB")
        chosen = _choose_format(document, self._formats, self._chosen)
        return chosen.name, chosen().parse(document.content, self._options)

    def _collect(self, name: str, rows: Iterable[Row]) -> Reading:
        mappings, rejected = self._rows.take(rows, self.location)
        return Reading(self.location, name, SourceState.OK, tuple(mappings), tuple(rejected))

    def _failed(self, error: str) -> Reading:
        good = self._good.state is SourceState.OK
        state = SourceState.STALE if good else SourceState.FAILED
        line = " ".join(error.split())
        if self.reading.state is not state or self.reading.error != line:
            self.reading = attrs.evolve(self._good, state=state, error=line)
        return self.reading


class _RowCache:
    """The mappings of each row of the last document, so that one changed row costs one row.

    A row is known by the hash of its place and values: 64 bits, keyed by the process for text. Each mapping
    goes with its slot: two mappings of one slot cannot both be had.
    """

    def __init__(self, families: Sequence[Family]) -> None:
        self._families = families
        self._known: dict[int, _Slots] = {}

    def take(self, rows: Iterable[Row], location: str) -> tuple[list[Mapping], list[Rejected]]:
        """Return the mappings of all rows, and the rows rejected, those that repeat another included."""
        known: dict[int, _Slots] = {}
        taken: dict[str, Mapping] = {}
        rejected: list[Rejected] = []
        for count, row in enumerate(rows, 1):
            if count > MAX_ROWS:
                raise SourceError(f"more than {MAX_ROWS} rows")
            key = _row_key(row)
            try:
                slots = self._known.get(key) or _slots(
                    mappings_of(row, location, MAX_MAPPINGS - len(taken), self._families)
                )
            except RowError as error:
                if row.unfinished and self._known:
                    raise SourceError(f"{row.place}: ends in the middle, {error.reason}") from None
                rejected.append(rejected_row(row, error))
                continue
            if key:
                known[key] = slots
            twin = _add(slots, taken)
            if twin is not None:
                rejected.append(Rejected(row.place, f"same as {twin.where}"))
        if len(taken) > MAX_MAPPINGS:
            raise SourceError(f"more than {MAX_MAPPINGS} mappings")
        self._known = known
        return list(taken.values()), rejected


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
    return tuple((f"{m.port or -m.internal_port} {m.protocol} {m.family} {m.address}", m) for m in mappings)


def _add(slots: _Slots, taken: dict[str, Mapping]) -> Mapping | None:
    """Add the mappings whose slot is free, and return the holder of one that is not."""
    twin = None
    for slot, mapping in slots:
        first = taken.setdefault(slot, mapping)
        if first is not mapping:
            twin = twin or first
    return twin


def csv_delimiter(text: str) -> str:
    """Read `--csv-delimiter`; `\\t` typed as two characters is a tab.

    Raises:
        UsageError: it is not one character, or one that CSV itself needs.
    """
    delimiter = "\t" if text == r"\t" else text
    if len(delimiter) != 1 or delimiter in '"\r\n\0':
        raise UsageError(f"a CSV delimiter is one character, not {quoted(text)}")
    return delimiter


def open_source(
    location: str,
    kinds: Sequence[type[Source]],
    formats: Sequence[type[Format]],
    chosen: str = AUTO,
    options: FormatOptions | None = None,
) -> SourceReader:
    """Find who reads that location. Nothing is fetched yet.

    Raises:
        UsageError: nobody reads such a location, or there is no format of the name `chosen`.
    """
    if chosen != AUTO and all(chosen != known.name for known in formats):
        names = ", ".join([AUTO, *(known.name for known in formats)])
        raise UsageError(f"no format named {quoted(chosen)}; there are: {names}")
    for kind in kinds:
        if kind.claims(location):
            return SourceReader(kind(location), formats, chosen, options or FormatOptions())
    raise UsageError(f"no source reads {quoted(location)}; there are: {', '.join(k.name for k in kinds)}")


async def read_first(readers: Sequence[SourceReader]) -> list[Reading]:
    """Read every source for the first time, and log the rows left out.

    Raises:
        SourceError: one cannot be read or parsed at all; the location is named.
    """
    readings = list(await asyncio.gather(*(reader.read() for reader in readers)))
    for reading in readings:
        if reading.state is SourceState.FAILED:
            raise SourceError(f"{reading.location}: {reading.error}")
        warn_of_rejected(reading)
    return readings


def warn_of_rejected(reading: Reading) -> None:
    """Log the rows that were left out; a document from a stranger may have very many."""
    for bad in reading.rejected[:MAX_WARNINGS]:
        _log.warning("%s: %s: %s", reading.location, bad.where, bad.reason)
    if (more := len(reading.rejected) - MAX_WARNINGS) > 0:
        _log.warning("%s: %d more rows are left out; `portmapper check` shows them", reading.location, more)


def _choose_format(document: Document, formats: Sequence[type[Format]], chosen: str) -> type[Format]:
    """Content type before suffix: a server knows what it sends. Without a hint it is CSV."""
    hints: list[Callable[[type[Format]], bool]] = [lambda f: f.name == chosen]
    if chosen == AUTO:
        hints = [
            lambda f: document.content_type in f.content_types,
            lambda f: document.suffix in f.suffixes,
            lambda f: f.name == "csv",
        ]
    for hint in hints:
        for known in formats:
            if hint(known):
                return known
    raise SourceError("no plugin parses it")


def _fingerprint(document: Document) -> object:
    import hashlib

    return (hashlib.sha256(document.content).digest(), document.content_type, document.suffix)


def rejected_row(row: Row, error: RowError) -> Rejected:
    """Name the place of what is wrong with a row as its document's reader would."""
    if not error.field:
        return Rejected(row.place, error.reason)
    name = error.field if error.field.isidentifier() else quoted(error.field)
    return Rejected(row.field_place.replace("{}", name), error.reason)
