"""The reader chooses a format, keeps the last valid mappings, and enforces limits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

from portmapper.api.errors import SourceError, UsageError
from portmapper.api.reading import SourceState
from portmapper.api.source import MAX_DOCUMENT, Document, Format, FormatOptions, Row, Source
from portmapper.sources.reader import SourceReader, csv_delimiter, open_source


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
        (Document(b""), "auto", "csv"),
        (Document(b"", suffix=".oth"), "auto", "other"),
        (Document(b"", "text/other", ".csv"), "auto", "other"),
        (Document(b"", "text/plain", ".oth"), "auto", "other"),
        (Document(b"", "text/other", ".oth"), "csv", "csv"),
    ],
)
async def test_the_format_is_chosen(source: Memory, document: Document, chosen: str, expected: str) -> None:
    """By option, then content type, then suffix, else CSV."""
    source.content = document
    reading = await SourceReader(source, [Other, Lines], chosen, FormatOptions()).read()
    assert reading.format == expected


def test_an_unknown_format_is_a_usage_error() -> None:
    """The error lists the known formats."""
    with pytest.raises(UsageError, match="auto, csv, other"):
        open_source("here", [Memory], [Lines, Other], "xml")


def test_a_location_that_no_source_claims_is_a_usage_error() -> None:
    """The error lists the sources."""
    with pytest.raises(UsageError, match="memory"):
        open_source("", [Memory], [Lines])


async def test_the_first_source_that_claims_a_location_reads_it() -> None:
    """In the given order."""
    reading = await open_source("here", [Memory], [Lines]).read()
    assert reading.state is SourceState.OK


@pytest.mark.parametrize(
    "content",
    [
        Document(b" " * (MAX_DOCUMENT + 1)),
        Document(b"80/x " * 65537),
        Document(b"1-65535/tcp 1-2/udp"),
        Document(b"1-65535/both"),
    ],
    ids=["bytes", "rows", "mappings of two rows", "mappings of one row"],
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


@pytest.mark.parametrize(
    ("text", "delimiter"), [(";", ";"), (",", ","), ("\t", "\t"), (r"\t", "\t"), ("§", "§")]
)
def test_a_delimiter_is_one_character(text: str, delimiter: str) -> None:
    """A tab may be written as two characters."""
    assert csv_delimiter(text) == delimiter


@pytest.mark.parametrize("text", ["", ";;", r"\n", '"', "\n", "\r", "\0"])
def test_an_invalid_delimiter_is_a_usage_error(text: str) -> None:
    """Quotes and line ends have another meaning in CSV."""
    with pytest.raises(UsageError):
        csv_delimiter(text)
