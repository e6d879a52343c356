"""The loader: formats chosen, last good mappings kept, bounds held."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import attrs
import pytest

from portmapper.api.errors import SourceError, UsageError
from portmapper.api.reading import Rejected, SourceState
from portmapper.api.source import MAX_DOCUMENT, Document, Format, FormatOptions, Row, Source
from portmapper.sources.reader import SourceReader, csv_delimiter, open_source


class Lines(Format):
    """`port/protocol` lines, as `csv` in these tests."""

    name = "csv"
    suffixes = (".csv",)
    content_types = ("text/csv",)
    parsed = 0

    def parse(self, content: bytes, options: FormatOptions) -> Iterator[Row]:
        """Yield a row a line; `!` is a document that cannot be parsed."""
        type(self).parsed += 1
        if content.startswith(b"!"):
            raise SourceError("cannot be parsed")
        if content.startswith(b"?"):
            raise ZeroDivisionError("a bug\nof a stranger")
        for number, line in enumerate(content.decode().split(), 1):
            port, _, protocol = line.partition("/")
            yield Row({"port": port, "protocol": protocol}, f"line {number}", f"line {number}, column {{}}")


class Other(Lines):
    """The same under another name."""

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
        """Claim all but nothing."""
        return bool(location)

    async def fetch(self) -> Document | Sequence[Row]:
        """Return or raise what was set."""
        if isinstance(self.content, Exception):
            raise self.content
        return self.content


@pytest.fixture
def source() -> Memory:
    """Make a source."""
    return Memory("here")


@pytest.fixture
def reader(source: Memory) -> SourceReader:
    """Read it as auto."""
    return SourceReader(source, [Other, Lines], "auto", FormatOptions())


async def test_mappings_carry_their_source_and_place(reader: SourceReader) -> None:
    """So that status and errors can name it."""
    reading = await reader.read()
    assert (reading.state, reading.format, reading.error) == (SourceState.OK, "csv", None)
    assert [(m.port, m.source, m.where) for m in reading.mappings] == [(80, "here", "line 1")]


async def test_unchanged_content_is_the_same_reading(source: Memory, reader: SourceReader) -> None:
    """The caller need not compare, and nothing is parsed."""
    first = await reader.read()
    parsed = Lines.parsed
    source.content = Document(b"80/" + b"tcp")
    assert await reader.read() is first
    assert Lines.parsed == parsed


async def test_an_unchanged_row_is_the_same_mapping(source: Memory, reader: SourceReader) -> None:
    """One edited row costs one row."""
    source.content = Document(b"80/tcp 81/tcp 82/tcp")
    first = await reader.read()
    source.content = Document(b"80/tcp 81/udp 82/tcp")
    second = await reader.read()
    assert [a is b for a, b in zip(first.mappings, second.mappings, strict=True)] == [True, False, True]


async def test_equal_values_of_other_types_are_not_the_same_row(source: Memory, reader: SourceReader) -> None:
    """To Python 80 and 80.0 are equal, to us one of them is an error."""
    source.content = [Row({"port": 80, "protocol": "tcp"}, "[0]", "[0].{}")]
    assert (await reader.read()).rejected == ()
    source.content = [Row({"port": 80, "protocol": "tcp", "comment": []}, "[0]", "[0].{}")]
    assert (await reader.read()).rejected[0].where == "[0].comment"
    source.content = [Row({"port": 80.0, "protocol": "tcp"}, "[0]", "[0].{}")]
    assert (await reader.read()).rejected[0].where == "[0].port"


@pytest.mark.parametrize(
    "failure", [SourceError("no such file"), Document(b"!"), Document(b"?"), RuntimeError("a bug")]
)
async def test_a_failing_source_goes_stale_and_recovers(
    source: Memory, reader: SourceReader, failure: Document | Exception
) -> None:
    """The last good mappings stay, with the error beside them."""
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
    """There is nothing to keep."""
    source.content = SourceError("no such file")
    reading = await reader.read()
    assert (reading.state, reading.mappings, reading.error) == (SourceState.FAILED, (), "no such file")


async def test_a_bad_row_is_rejected_and_the_others_go_on(source: Memory, reader: SourceReader) -> None:
    """Row, column, value."""
    source.content = Document(b"80/tcp 70000/tcp 82/tcp 83/x")
    reading = await reader.read()
    assert [m.port for m in reading.mappings] == [80, 82]
    assert [r.where for r in reading.rejected] == ["line 2, column port", "line 4, column protocol"]
    assert "70000" in reading.rejected[0].reason


async def test_the_first_of_two_same_rows_wins(source: Memory, reader: SourceReader) -> None:
    """The later one is rejected and names the first; the other protocol is no twin."""
    source.content = Document(b"80/tcp 80/udp 80/TCP 79-81/tcp")
    reading = await reader.read()
    assert [(m.port, m.protocol) for m in reading.mappings] == [
        (80, "TCP"),
        (80, "UDP"),
        (79, "TCP"),
        (81, "TCP"),
    ]
    assert reading.rejected == (Rejected("line 3", "same as line 1"), Rejected("line 4", "same as line 1"))
    assert await reader.read() is reading


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
    """The user's word, then content type, then suffix, then CSV."""
    source.content = document
    reading = await SourceReader(source, [Other, Lines], chosen, FormatOptions()).read()
    assert reading.format == expected


def test_an_unknown_format_is_a_usage_error() -> None:
    """It names those there are."""
    with pytest.raises(UsageError, match="auto, csv, other"):
        open_source("here", [Memory], [Lines, Other], "xml")


def test_a_location_nobody_claims_is_a_usage_error() -> None:
    """It names the kinds of source."""
    with pytest.raises(UsageError, match="memory"):
        open_source("", [Memory], [Lines])


async def test_the_first_that_claims_a_location_reads_it() -> None:
    """The order is the caller's."""
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
async def test_a_document_is_bounded(source: Memory, reader: SourceReader, content: Document) -> None:
    """More is an error of the document as a whole."""
    source.content = content
    reading = await reader.read()
    assert reading.state is SourceState.FAILED
    assert reading.error is not None
    assert "than" in reading.error


async def test_a_hostile_key_is_shown_escaped(source: Memory, reader: SourceReader) -> None:
    """A key is the document's text, and may hold anything."""
    bad = Row({"port": 1, "protocol": "tcp", "x\x1b{}\n": 1}, "mapping[0]", "mapping[0].{}", strict_keys=True)
    source.content = [attrs.evolve(bad)]
    (rejected,) = (await reader.read()).rejected
    assert rejected.where.isprintable()


@pytest.mark.parametrize(
    ("text", "delimiter"), [(";", ";"), (",", ","), ("\t", "\t"), (r"\t", "\t"), ("§", "§")]
)
def test_a_delimiter_is_one_character(text: str, delimiter: str) -> None:
    """A tab may be typed as two."""
    assert csv_delimiter(text) == delimiter


@pytest.mark.parametrize("text", ["", ";;", r"\n", '"', "\n", "\r", "\0"])
def test_another_delimiter_is_a_usage_error(text: str) -> None:
    """Quotes and line ends mean something else in CSV."""
    with pytest.raises(UsageError):
        csv_delimiter(text)
