"""The reader chooses a format, keeps the last valid mappings, and enforces limits."""

from __future__ import annotations

import errno
import gc
import weakref
from collections.abc import Iterator, Sequence

import pytest
from references import until_gone

from portmapper.api.errors import SourceError
from portmapper.api.model import Mapping, Protocol
from portmapper.api.reading import SourceState
from portmapper.api.source import MAX_DOCUMENT, Document, Format, FormatOptions, Row, Source
from portmapper.sources.reader import SourceReader, read_first
from portmapper.sources.trust import Limits, Trust


class Lines(Format):
    """A format with `port/protocol` items, named `csv` in these tests."""

    name = "csv"
    suffixes = (".csv",)
    content_types = ("text/csv",)
    parsed = 0

    def parse(self, content: bytes, options: FormatOptions) -> Iterator[Row]:
        """Yield a row per item; `!` is an invalid document and `?` a bug of the format."""
        type(self).parsed += 1
        if content.startswith(b"!"):
            raise SourceError("cannot be parsed")
        if content.startswith(b"?"):
            raise ZeroDivisionError("a bug\nof a plugin")
        for number, line in enumerate(content.decode().split(), 1):
            port, _, protocol = line.partition("/")
            yield Row({"port": port, "protocol": protocol}, f"line {number}", f"line {number}, column {{}}")


class Other(Lines):
    """The same format with another name."""

    name = "other"
    suffixes = (".oth",)
    content_types = ("text/other",)


class Memory(Source):
    """A source whose content the test sets."""

    name = "memory"

    def __init__(self, location: str) -> None:
        super().__init__(location)
        self.content: Document | Sequence[Row] | Exception = Document(b"80/tcp")

    @classmethod
    def claims(cls, location: str) -> bool:
        """Claim every location except an empty one."""
        return bool(location)

    async def fetch(self) -> Document | Sequence[Row]:
        """Return or raise the content."""
        if isinstance(self.content, Exception):
            raise self.content
        return self.content


@pytest.fixture
def source() -> Memory:
    """A source with one mapping."""
    return Memory("here")


@pytest.fixture
def reader(source: Memory) -> SourceReader:
    """A reader of the source with the format `auto`."""
    return SourceReader(source, [Other, Lines], "auto", FormatOptions())


async def test_mappings_carry_their_source_and_place(reader: SourceReader) -> None:
    """Status and errors show them."""
    reading = await reader.read()
    assert (reading.state, reading.format, reading.error) == (SourceState.OK, "csv", None)
    assert [(m.port, m.source, m.where) for m in reading.mappings] == [(80, "here", "line 1")]


async def test_unchanged_content_is_the_same_reading(source: Memory, reader: SourceReader) -> None:
    """The caller need not compare, and the document is not parsed again."""
    first = await reader.read()
    parsed = Lines.parsed
    source.content = Document(b"80/" + b"tcp")
    assert await reader.read() is first
    assert Lines.parsed == parsed


@pytest.mark.parametrize(
    "failure", [SourceError("no such file"), Document(b"!"), Document(b"?"), RuntimeError("a bug")]
)
async def test_a_failing_source_goes_stale_and_recovers(
    source: Memory, reader: SourceReader, failure: Document | Exception
) -> None:
    """The last valid mappings stay in effect, with the error."""
    good = await reader.read()
    content, source.content = source.content, failure
    stale = await reader.read()
    assert (stale.state, stale.mappings) == (SourceState.STALE, good.mappings)
    assert stale.error
    assert "\n" not in stale.error
    assert await reader.read() is stale
    source.content = content
    assert await reader.read() == good


async def test_a_source_that_never_worked_has_failed(source: Memory, reader: SourceReader) -> None:
    """There are no earlier mappings."""
    source.content = SourceError("no such file")
    reading = await reader.read()
    assert (reading.state, reading.mappings, reading.error) == (SourceState.FAILED, (), "no such file")


async def test_an_invalid_row_is_rejected_and_the_others_are_used(
    source: Memory, reader: SourceReader
) -> None:
    """The rejection contains row, column and value."""
    source.content = Document(b"80/tcp 70000/tcp 82/tcp 83/x")
    reading = await reader.read()
    assert [m.port for m in reading.mappings] == [80, 82]
    assert [r.where for r in reading.rejected] == ["line 2, column port", "line 4, column protocol"]
    assert "70000" in reading.rejected[0].reason


@pytest.mark.parametrize(
    ("document", "chosen", "expected"),
    [
        (Document(b"80/tcp"), "auto", "csv"),
        (Document(b"80/tcp", suffix=".oth"), "auto", "other"),
        (Document(b"80/tcp", "text/other", ".csv"), "auto", "other"),
        (Document(b"80/tcp", "text/plain", ".oth"), "auto", "other"),
        (Document(b"80/tcp", "text/other", ".oth"), "csv", "csv"),
    ],
)
async def test_the_format_is_chosen(source: Memory, document: Document, chosen: str, expected: str) -> None:
    """By option, then content type, then suffix, else CSV."""
    source.content = document
    reading = await SourceReader(source, [Other, Lines], chosen, FormatOptions()).read()
    assert reading.format == expected


@pytest.mark.parametrize(
    "content",
    [
        Document(b"8" * (MAX_DOCUMENT + 1)),
        Document(b"80/x " * 65537),
        Document(b"1-65535/tcp 1-2/udp"),
        Document(b"1-65535/both"),
        Document(b"1024-65535/tcp"),
    ],
    ids=["bytes", "rows", "mappings of two rows", "mappings of one row", "all unprivileged ports"],
)
async def test_the_size_of_a_document_is_limited(
    source: Memory, reader: SourceReader, content: Document
) -> None:
    """A larger document is an error as a whole."""
    source.content = content
    reading = await reader.read()
    assert reading.state is SourceState.FAILED
    assert reading.error is not None
    assert "than" in reading.error


@pytest.mark.parametrize("content", [b"", b"\n", b" \r\n\t", b"\xef\xbb\xbf", b"\xff\xfe"])
async def test_an_empty_document_is_unreadable(source: Memory, reader: SourceReader, content: bytes) -> None:
    """A generator that failed must not close every port."""
    good = await reader.read()
    source.content = Document(content)
    reading = await reader.read()
    assert (reading.state, reading.mappings) == (SourceState.STALE, good.mappings)
    assert reading.error is not None
    assert reading.error.startswith("empty: ")


async def test_a_source_may_be_empty_unless_ports_are_open(source: Memory) -> None:
    """Standard input of zero bytes is an empty list, as in upnp-daemon."""
    source.content = Document(b"")
    source.may_be_empty = True  # type: ignore[misc]
    reader = SourceReader(source, [Lines], "auto", FormatOptions())
    assert (await reader.read()).state is SourceState.OK
    reader = SourceReader(source, [Lines], "auto", FormatOptions())
    reader.refuse_empty()
    assert (await reader.read()).state is SourceState.FAILED


async def test_the_limit_of_mappings_belongs_to_the_source(source: Memory) -> None:
    """The message names the setting."""
    source.content = Document(b"80-82/tcp")
    allowed = SourceReader(source, [Lines], "auto", FormatOptions(), limits=Limits(max_mappings=3))
    assert (await allowed.read()).state is SourceState.OK
    limited = SourceReader(source, [Lines], "auto", FormatOptions(), limits=Limits(max_mappings=2))
    error = (await limited.read()).error
    assert error is not None
    assert "more than 2 mappings" in error
    assert "max_mappings" in error


@pytest.mark.parametrize(
    ("field", "value", "trust"),
    [
        ("conflict", "overwrite", Trust.TAKE),
        ("conflict", "take", Trust.TAKE),
        ("address", "203.0.113.9", Trust.ADDRESSES),
        ("address", "::ffff:203.0.113.9", Trust.ADDRESSES),
    ],
)
async def test_what_strangers_write_must_be_allowed(
    source: Memory, field: str, value: str, trust: Trust
) -> None:
    """A list from a URL, or a label of a container."""
    source.content = [Row({"port": 80, "protocol": "tcp", field: value}, "[0]", "[0].{}")]

    async def rejected(limits: Limits | None = None) -> list[str]:
        reading = await SourceReader(source, [Lines], "auto", FormatOptions(), limits=limits).read()
        return [bad.where for bad in reading.rejected]

    assert await rejected() == [f"[0].{field}"]
    assert await rejected(Limits(trust=frozenset(Trust) - {trust})) == [f"[0].{field}"]
    assert await rejected(Limits(trust=frozenset({trust}))) == []
    source.is_trusted = True  # type: ignore[misc]
    assert await rejected() == []
    assert await rejected(Limits(trust=frozenset())) == [f"[0].{field}"]


async def test_a_comment_that_is_not_utf_8_only_warns(source: Memory, reader: SourceReader) -> None:
    """The port is opened. The warning stays while the row is unchanged."""
    row = Row({"port": "80", "protocol": "tcp", "comment": "B\udcfcro"}, "line 2", "line 2, column {}")
    source.content = [row]
    reading = await reader.read()
    assert [mapping.comment for mapping in reading.mappings] == ["Büro"]
    (warning,) = reading.warnings
    assert warning.where == "line 2, column comment"
    assert "save as UTF-8" in warning.reason
    source.content = [row, Row({"port": "81", "protocol": "tcp"}, "line 3", "line 3, column {}")]
    assert (await reader.read()).warnings == (warning,)


async def test_adopted_mappings_stay_until_the_first_read(source: Memory, reader: SourceReader) -> None:
    """The source is stale, and a read replaces them."""
    source.content = SourceError("no connection")
    await reader.read()
    reader.adopt([Mapping(Protocol.TCP, 443, 443, source="here")])
    reading = await reader.read()
    assert (reading.state, reading.error) == (SourceState.STALE, "no connection")
    assert [mapping.port for mapping in reading.mappings] == [443]
    source.content = Document(b"80/tcp")
    assert [mapping.port for mapping in (await reader.read()).mappings] == [80]


async def test_one_source_that_fails_does_not_stop_the_others(source: Memory, reader: SourceReader) -> None:
    """Only a single pass requires all of them."""
    down = Memory("down")
    down.content = SourceError("no connection")
    readers = [SourceReader(down, [Lines], "auto", FormatOptions()), reader]
    readings = await read_first(readers, all_required=False)
    assert [reading.state for reading in readings] == [SourceState.FAILED, SourceState.OK]
    with pytest.raises(SourceError, match="down: no connection"):
        await read_first(readers)


async def test_a_server_may_be_down_at_start_but_a_file_may_not_be_missing(source: Memory) -> None:
    """A name that is misspelled ends the program; a daemon waits for a server."""
    source.content = SourceError("no connection")
    readers = [SourceReader(source, [Lines], "auto", FormatOptions())]
    with pytest.raises(SourceError):
        await read_first(readers, all_required=False)
    source.may_be_down = True  # type: ignore[misc]
    assert (await read_first(readers, all_required=False))[0].state is SourceState.FAILED


async def test_a_service_waits_for_its_only_list(source: Memory) -> None:
    """Its manager would only start it again; one line in the log names the list."""
    source.content = SourceError("no such file")
    readers = [SourceReader(source, [Lines], "auto", FormatOptions())]
    readings = await read_first(readers, all_required=False, unattended=True)
    assert readings[0].state is SourceState.FAILED


def no_thread() -> SourceError:
    """Return what a format raises that starts a thread without need."""
    error = SourceError("cannot be read")
    error.__cause__ = RuntimeError("can't start new thread")
    return error


@pytest.mark.parametrize(
    "error", [OSError(errno.EMFILE, "Too many open files", "ports.csv"), MemoryError(), no_thread()]
)
async def test_a_daemon_waits_for_its_only_list_while_the_system_has_nothing_left(
    source: Memory, error: Exception
) -> None:
    """The list may be fine. One pass ends, because it cannot wait."""
    source.content = error
    readers = [SourceReader(source, [Lines], "auto", FormatOptions())]
    with pytest.raises(SourceError):
        await read_first(readers)
    assert (await read_first(readers, all_required=False))[0].state is SourceState.FAILED


async def test_an_error_shows_no_secret(source: Memory, reader: SourceReader) -> None:
    """A library's text may repeat a URL."""
    source.content = SourceError("cannot open https://me:pw@example.org/list?key=1")
    error = (await reader.read()).error
    assert error == "cannot open https://***@example.org/list?***"


class Remembered(Document):
    """A document that a test may refer to weakly."""

    __slots__ = ("__weakref__",)


@pytest.mark.parametrize("refused", [b"!", b"?"])
async def test_a_refused_document_does_not_stay_in_memory(refused: bytes) -> None:
    """The garbage collector runs seldom in the daemon, and a document may be large."""
    source = Memory("m:")
    source.content = Remembered(refused)
    kept = weakref.ref(source.content)
    reader = SourceReader(source, [Lines], "auto", FormatOptions())
    gc.disable()
    try:
        await reader.read()
        source.content = Document(b"80/tcp")
        await until_gone(kept)
    finally:
        gc.enable()
