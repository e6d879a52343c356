"""Reads sources through formats into mappings, and keeps the last good ones when a read fails."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence

import attrs

from portmapper.api.errors import PortmapperError, SourceError, UsageError, quoted
from portmapper.api.reading import Reading, SourceState
from portmapper.api.source import MAX_DOCUMENT, Document, Format, FormatOptions, Row, Source
from portmapper.pluginhost import guard
from portmapper.pluginhost.faults import record_fault
from portmapper.sources.policy import Policy
from portmapper.sources.row_cache import RowCache
from portmapper.support.threads import in_thread

AUTO = "auto"

MAX_WARNINGS = 20
"""Rejected rows of one reading that the log tells of one by one."""

_log = logging.getLogger(__name__)

WATCH_LIMIT = 10.0
"""Seconds in which a source has to begin watching."""

PARSE_LIMIT = 30.0
"""Seconds that a format may take for a document."""


class SourceReader:
    """One source with the formats it may be written in.

    Attributes:
        location: as the user wrote it, without a password.
        reading: the outcome of the last `read`.
    """

    def __init__(
        self,
        source: Source,
        formats: Sequence[type[Format]],
        chosen: str,
        options: FormatOptions,
        policy: Policy | None = None,
    ) -> None:
        self.location = source.location
        self.reading = Reading(source.location)
        self._source = source
        self._formats = formats
        self._chosen = chosen
        self._options = options
        self._good = self.reading
        self._seen: object = None
        self._policy = policy or Policy()
        self._rows = RowCache(options.families, self._policy)
        self._parsing = False

    def set_policy(self, policy: Policy) -> None:
        """Go by another policy from the next read on."""
        if policy != self._policy:
            self._policy = policy
            self._rows = RowCache(self._options.families, policy)
            self._seen = None

    async def read(self) -> Reading:
        """Fetch and parse; never raises. What did not change is the very same `Reading` as before."""
        try:
            self._good = await self._read()
        except (PortmapperError, TimeoutError) as error:
            return self._failed(str(error))
        except Exception as error:
            return self._failed(str(record_fault(f"source:{self._source.name}", error)))
        self.reading = self._good
        return self.reading

    async def read_rows(self) -> list[Row]:
        """Fetch, and split into rows that nobody has looked at yet.

        Raises:
            SourceError: it cannot be read or parsed at all; the location is named.
        """
        try:
            fetched = await self._fetch()
            return list(self._split(fetched)[1] if isinstance(fetched, Document) else fetched)
        except (PortmapperError, TimeoutError) as error:
            raise SourceError(f"{self.location}: {error}") from None

    async def watch(self, changed: Callable[[], None]) -> None:
        """Have `changed` called when a read may find something new, until `close`."""
        try:
            await guard.run(self._plugin, self._source.watch(changed), WATCH_LIMIT)
        except (PortmapperError, TimeoutError) as error:
            _log.warning("%s: cannot be watched, only read once an interval: %s", self.location, error)

    async def close(self) -> None:
        """Stop watching, free what is open."""
        await guard.close(self._plugin, self._source)

    @property
    def _plugin(self) -> str:
        return f"source:{self._source.name}"

    async def _fetch(self) -> Document | Sequence[Row]:
        fetched = await guard.run(self._plugin, self._source.fetch(), self._source.fetch_limit)
        is_document = isinstance(fetched, Document) and isinstance(fetched.content, bytes)
        are_rows = isinstance(fetched, Sequence) and all(isinstance(row, Row) for row in fetched)
        if not is_document and not are_rows:
            raise record_fault(self._plugin, f"it fetched {quoted(fetched)}, no document and no rows")
        return fetched

    async def _read(self) -> Reading:
        fetched = await self._fetch()
        seen = _fingerprint(fetched) if isinstance(fetched, Document) else tuple(fetched)
        if self._good.state is SourceState.OK and seen == self._seen:
            return self._good
        if isinstance(fetched, Document):
            reading = await self._parse(fetched)
        else:
            reading = self._collect(self._source.name, fetched)
        self._seen = seen
        return reading

    async def _parse(self, document: Document) -> Reading:
        """Parse in a thread: a large document, or a format that hangs, must not hold up renewals."""
        chosen = _choose_format(document, self._formats, self._chosen)
        plugin = f"format:{chosen.name}"
        if self._parsing:
            raise SourceError(f"the format {chosen.name} still works at an earlier document")

        def parse() -> Reading:
            try:
                return self._collect(*self._split(document))
            except PortmapperError:
                raise
            except (Exception, SystemExit) as error:
                raise record_fault(plugin, error) from error
            finally:
                self._parsing = False

        self._parsing = True
        return await guard.run(plugin, in_thread(parse), PARSE_LIMIT)

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
    policy: Policy | None = None,
) -> SourceReader:
    """Find who reads that location. Nothing is fetched yet.

    Raises:
        UsageError: nobody reads such a location, or there is no format of the name `chosen`.
    """
    if chosen != AUTO and all(chosen != known.name for known in formats):
        names = ", ".join([AUTO, *(known.name for known in formats)])
        raise UsageError(f"no format named {quoted(chosen)}; there are: {names}")
    for kind in kinds:
        if _claims(kind, location):
            return SourceReader(_opened(kind, location), formats, chosen, options or FormatOptions(), policy)
    raise UsageError(f"no source reads {quoted(location)}; there are: {', '.join(k.name for k in kinds)}")


def _claims(kind: type[Source], location: str) -> bool:
    try:
        return kind.claims(location)
    except Exception as error:
        record_fault(f"source:{kind.name}", error)
        return False


def _opened(kind: type[Source], location: str) -> Source:
    try:
        return kind(location)
    except PortmapperError:
        raise
    except Exception as error:
        raise SourceError(f"{location}: {record_fault(f'source:{kind.name}', error)}") from error


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
