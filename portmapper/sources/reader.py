"""Reads a source: fetches it, parses it, and keeps the last valid mappings if a read fails."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence

import attrs

from portmapper.api.errors import PortmapperError, SourceError, quoted
from portmapper.api.model import Mapping
from portmapper.api.reading import Reading, SourceState
from portmapper.api.source import MAX_DOCUMENT, Document, Format, FormatOptions, Row, Source
from portmapper.pluginhost import guard
from portmapper.pluginhost.faults import record_fault
from portmapper.sources.policy import Policy
from portmapper.sources.row_cache import RowCache
from portmapper.sources.trust import Limits
from portmapper.support.secrets import mask_urls
from portmapper.support.shortage import is_caused_by_shortage, is_shortage
from portmapper.support.threads import in_thread

AUTO = "auto"

MAX_WARNINGS = 20
"""Maximum number of rejected rows of one reading that are logged individually."""

_log = logging.getLogger(__name__)

WATCH_LIMIT = 10.0
"""Seconds that a source has to start watching."""

_BLANK = b"\xef\xbb\xbf\xff\xfe \t\r\n\0"
"""Byte order marks and white space: a document of these has zero bytes of content."""

PARSE_LIMIT = 30.0
"""Seconds that a format has to parse a document."""


class SourceReader:
    """Reads one source with the available formats.

    Attributes:
        location: as the user wrote it, without a password.
        reading: result of the last `read`.
    """

    def __init__(
        self,
        source: Source,
        formats: Sequence[type[Format]],
        chosen: str,
        options: FormatOptions,
        policy: Policy | None = None,
        limits: Limits | None = None,
    ) -> None:
        """Read nothing yet; `limits` without `trust` trust the source as far as its kind is trusted."""
        self.location = source.location
        self.reading = Reading(source.location)
        self._source = source
        self._formats = formats
        self._chosen = chosen
        self._options = options
        self._last_good = self.reading
        self._parsed: tuple[object, Reading] = (None, self.reading)
        self._policy = policy or Policy()
        self._limits = (limits or Limits()).for_kind(is_trusted=source.is_trusted)
        self._rows = RowCache(options, self._policy, self._limits)
        self._may_be_empty = source.may_be_empty
        self._parsing = False
        self._lacked_resources = False

    @property
    def may_be_down(self) -> bool:
        """Whether the source may be unavailable for a time, as a server is while it starts.

        The last read may also have failed because the system had nothing left to read it with.
        """
        return self._source.may_be_down or self._lacked_resources

    @property
    def keep_share(self) -> float | None:
        """If the list drops below this share of its rows, the change waits for one interval; None: never."""
        return None if self._source.is_authoritative else self._limits.keep_share

    def refuse_empty(self) -> None:
        """Treat standard input of zero bytes as unreadable too: ports of an earlier run are open."""
        self._may_be_empty = False

    def adopt(self, mappings: Sequence[Mapping]) -> None:
        """Keep what an earlier run opened for this source, because the source cannot be read at start."""
        if self.reading.state is SourceState.FAILED and mappings:
            self._last_good = attrs.evolve(self.reading, state=SourceState.STALE, mappings=tuple(mappings))
            self.reading = self._last_good

    def set_policy(self, policy: Policy) -> None:
        """Use another policy from the next read on."""
        if policy != self._policy:
            self._policy = policy
            self._rows = RowCache(self._options, policy, self._limits)
            self._parsed = (None, self._parsed[1])

    async def read(self) -> Reading:
        """Fetch and parse; never raises. Return the same `Reading` object if nothing changed."""
        try:
            self._last_good = await self._read()
        except (PortmapperError, TimeoutError) as error:
            self._lacked_resources = is_caused_by_shortage(error)
            return self._failed(str(error))
        except Exception as error:
            self._lacked_resources = is_shortage(error)
            return self._failed(str(record_fault(f"source:{self._source.name}", error)))
        self.reading = self._last_good
        return self.reading

    async def read_additions(self) -> Reading | None:
        """Read if mappings were only added; else return None, and keep the last reading.

        Anything else may be one of several steps of a program that writes the source, such as an empty list
        before the rows, or no file between two renames.
        """
        try:
            found = await self._read()
        except Exception:
            return None  # the read that follows reports it
        if not _is_extended(self.reading, found):
            return None
        self.reading = self._last_good = found
        return found

    async def read_rows(self) -> list[Row]:
        """Fetch, and split into rows without validating them.

        Raises:
            SourceError: the source cannot be read or parsed; the message contains the location.
        """
        try:
            fetched = await self._fetch()
            return list(self._split(fetched)[1] if isinstance(fetched, Document) else fetched)
        except (PortmapperError, TimeoutError) as error:
            raise SourceError(f"{self.location}: {error}") from None

    async def watch(self, changed: Callable[[], None]) -> None:
        """Watch the source: call `changed` when its content may have changed, until `close`."""
        try:
            await guard.run(self._plugin, self._source.watch(changed), WATCH_LIMIT)
        except (PortmapperError, TimeoutError) as error:
            _log.warning(
                "%s: cannot watch for changes, reading once per interval instead: %s", self.location, error
            )

    async def close(self) -> None:
        """Stop watching and free resources."""
        await guard.close(self._plugin, self._source)

    @property
    def _plugin(self) -> str:
        return f"source:{self._source.name}"

    async def _fetch(self) -> Document | Sequence[Row]:
        fetched = await guard.run(self._plugin, self._source.fetch(), self._source.fetch_limit)
        is_document = isinstance(fetched, Document) and isinstance(fetched.content, bytes)
        are_rows = isinstance(fetched, Sequence) and all(isinstance(row, Row) for row in fetched)
        if not is_document and not are_rows:
            raise record_fault(
                self._plugin, f"it fetched {quoted(fetched)}, which is neither a document nor rows"
            )
        return fetched

    async def _read(self) -> Reading:
        fetched = await self._fetch()
        seen = _fingerprint(fetched) if isinstance(fetched, Document) else tuple(fetched)
        if seen == self._parsed[0]:
            return self._parsed[1]
        if isinstance(fetched, Document):
            reading = await self._parse(fetched)
        else:
            reading = self._collect(self._source.name, fetched)
        self._parsed = (seen, reading)
        return reading

    async def _parse(self, document: Document) -> Reading:
        """Parse in a thread: a large document or a format that hangs must not delay renewals."""
        chosen = _choose_format(document, self._formats, self._chosen)
        plugin = f"format:{chosen.name}"
        if self._parsing:
            raise SourceError(f"the format {chosen.name} is still parsing an earlier document")

        def parse() -> Reading:
            # Set here and not before: the thread may never start.
            self._parsing = True
            try:
                return self._collect(*self._split(document))
            except PortmapperError:
                raise
            except (Exception, SystemExit) as error:
                raise record_fault(plugin, error) from error
            finally:
                self._parsing = False

        return await guard.run(plugin, in_thread(parse), PARSE_LIMIT)

    def _split(self, document: Document) -> tuple[str, Iterable[Row]]:
        if not self._may_be_empty and not document.content.strip(_BLANK):
            # A generator that failed, or a server without an answer, must not close every port.
            raise SourceError("empty: a list without rows needs its header line (CSV), [] or mapping = []")
        if len(document.content) > MAX_DOCUMENT:
            raise SourceError(f"larger than {MAX_DOCUMENT // 2**20} MiB")
        chosen = _choose_format(document, self._formats, self._chosen)
        return chosen.name, chosen().parse(document.content, self._options)

    def _collect(self, name: str, rows: Iterable[Row]) -> Reading:
        mappings, rejected = self._rows.convert(rows, self.location)
        warnings = tuple(self._rows.warnings)
        return Reading(
            self.location, name, SourceState.OK, tuple(mappings), tuple(rejected), warnings=warnings
        )

    def _failed(self, error: str) -> Reading:
        failed = self._last_good.state is SourceState.FAILED
        state = SourceState.FAILED if failed else SourceState.STALE
        line = mask_urls(" ".join(error.split()))
        if self.reading.state is not state or self.reading.error != line:
            self.reading = attrs.evolve(self._last_good, state=state, error=line)
        return self.reading


async def read_first(
    readers: Sequence[SourceReader], *, all_required: bool = True, unattended: bool = False
) -> list[Reading]:
    """Read every source for the first time, and log the rejected rows.

    Args:
        readers: one per source.
        all_required: raise an error for each source that fails. Otherwise, only if no source can be read
            and none of them may be down for a time, as the server of a URL may be.
        unattended: no user would read the error, so wait until a source can be read.

    Raises:
        SourceError: a source cannot be read or parsed; the message contains its location.
    """
    readings = list(await asyncio.gather(*(reader.read() for reader in readers)))
    failed = [reading for reading in readings if reading.state is SourceState.FAILED]
    some_work = len(failed) < len(readers) or any(reader.may_be_down for reader in readers)
    may_wait = some_work or unattended
    if failed and (all_required or not may_wait):
        raise SourceError(f"{failed[0].location}: {failed[0].error}")
    for reading in failed:
        _log.error("%s: %s; trying again", reading.location, reading.error)
    for reading in readings:
        warn_of_rejected(reading)
    return readings


def warn_of_rejected(reading: Reading) -> None:
    """Log warnings and rejected rows, up to a limit: a third-party document may have very many."""
    for bad in (*reading.warnings[:MAX_WARNINGS], *reading.rejected[:MAX_WARNINGS]):
        _log.warning("%s: %s: %s", reading.location, bad.place, bad.reason)
    if (more := len(reading.rejected) - MAX_WARNINGS) > 0:
        _log.warning("%s: %d more rows rejected; run `portmapper check` to see them", reading.location, more)


def _is_extended(before: Reading, after: Reading) -> bool:
    """Return whether all mappings are still there; `RowCache` keeps those of unchanged rows."""
    kept = set(map(id, after.mappings))
    return before.rejected == after.rejected and all(id(mapping) in kept for mapping in before.mappings)


def _choose_format(document: Document, formats: Sequence[type[Format]], chosen: str) -> type[Format]:
    """Choose by content type, then by suffix, else CSV: the server knows best what it sends."""
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
    raise SourceError("no format parses it")


def _fingerprint(document: Document) -> object:
    # Bytes are hashed with a key of this process, so no sender can find two documents with the same hash.
    # hashlib would load OpenSSL's functions, 0.6 MiB.
    content = document.content
    return (hash(content), len(content), document.content_type, document.suffix)
