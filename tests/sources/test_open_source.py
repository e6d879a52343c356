"""A location is read by the first source that claims it, in a format that exists."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from portmapper.api.errors import UsageError
from portmapper.api.model import Protocol
from portmapper.api.reading import SourceState
from portmapper.api.source import Document, Row, Source
from portmapper.sources.open_source import is_path, open_source
from portmapper_files.csv_format import CsvFormat
from portmapper_files.file import FileSource
from portmapper_files.json_format import JsonFormat


class Fixed(Source):
    """A source of one mapping."""

    name = "fixed"

    @classmethod
    def claims(cls, location: str) -> bool:
        """Claim every location except an empty one."""
        return bool(location)

    async def fetch(self) -> Document | Sequence[Row]:
        """Return the list."""
        return Document(b"port;protocol\n80;tcp\n")


def test_an_unknown_format_is_a_usage_error() -> None:
    """The error lists the known formats."""
    with pytest.raises(UsageError, match="auto, csv, json"):
        open_source("here", [Fixed], [CsvFormat, JsonFormat], "xml")


def test_a_location_that_no_source_claims_is_a_usage_error() -> None:
    """The error lists the sources."""
    with pytest.raises(UsageError, match="fixed"):
        open_source("", [Fixed], [CsvFormat])


def test_only_a_source_of_paths_makes_a_location_a_path() -> None:
    """`docker:` of another plugin is no path, so a settings file may name it."""
    assert is_path("ports.csv", [FileSource])
    assert not is_path("ports.csv", [Fixed, FileSource])
    assert not is_path("https://example.org/ports.csv", [FileSource])


async def test_the_first_source_that_claims_a_location_reads_it() -> None:
    """In the given order."""
    reading = await open_source("ports.csv", [Fixed, FileSource], [CsvFormat]).read()
    assert reading.state is SourceState.OK
    assert [(mapping.protocol, mapping.port) for mapping in reading.mappings] == [(Protocol.TCP, 80)]
