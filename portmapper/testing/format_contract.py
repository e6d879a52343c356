"""The contract of formats: tests that every format must pass."""

from __future__ import annotations

import random
import time

import pytest

from portmapper.api.errors import SourceError
from portmapper.api.source import Row
from portmapper.sources.policy import Policy
from portmapper.sources.reader import PARSE_LIMIT
from portmapper.sources.row_cache import RowCache
from portmapper.sources.row_parser import mappings_of as mappings_of
from portmapper.testing.calls import check_message, check_name
from portmapper.testing.subjects import FormatSubject

LARGE = 128 * 1024
"""Bytes of the large test documents."""


class FormatContract:
    """Tests of a format. Override the fixture `subject`."""

    @pytest.fixture
    def subject(self) -> FormatSubject:
        """Return the format and documents to parse."""
        raise NotImplementedError("override the fixture `subject` in your class")

    def test_suffixes_and_media_types_are_valid(self, subject: FormatSubject) -> None:
        """Suffixes begin with a dot, and both are in lower case."""
        check_name(subject.format.name)
        for suffix in subject.format.suffixes:
            assert suffix.startswith("."), f"the suffix {suffix!r} has no dot"
            assert suffix == suffix.lower()
        for content_type in subject.format.content_types:
            assert "/" in content_type
            assert content_type == content_type.lower()

    def test_a_document_becomes_its_rows(self, subject: FormatSubject) -> None:
        """The rows have the expected fields, in order."""
        assert [dict(row.fields) for row in parsed(subject, subject.document)] == [
            dict(fields) for fields in subject.rows
        ]

    def test_parsing_again_gives_the_same(self, subject: FormatSubject) -> None:
        """The format keeps no state between documents."""
        assert parsed(subject, subject.document) == parsed(subject, subject.document)

    def test_every_row_has_a_unique_where(self, subject: FormatSubject) -> None:
        """Messages use it to name rows and fields."""
        rows = parsed(subject, subject.document)
        assert all(row.where for row in rows)
        assert len({row.where for row in rows}) == len(rows)
        assert all("port" in row.field_where.format("port") for row in rows)

    def test_good_rows_become_mappings(self, subject: FormatSubject) -> None:
        """portmapper accepts the names and values of the fields."""
        mappings, rejected = rows_taken(subject, subject.document)
        assert not rejected
        assert mappings

    def test_an_invalid_row_is_reported_and_the_others_are_kept(self, subject: FormatSubject) -> None:
        """The report names the place of the row."""
        mappings, rejected = rows_taken(subject, subject.bad_row)
        assert len(rejected) == 1, f"one row is invalid, but {len(rejected)} were rejected"
        assert rejected[0].startswith(subject.bad_where)
        assert mappings, "the valid row was rejected too"

    def test_an_invalid_document_is_a_source_error(self, subject: FormatSubject) -> None:
        """Its message is one line."""
        if subject.broken is None:
            pytest.skip("in this format, only single rows can be invalid")
        with pytest.raises(SourceError) as raised:
            parsed(subject, subject.broken)
        check_message(raised.value)

    @pytest.mark.parametrize("seed", range(20))
    def test_any_bytes_are_rows_or_a_source_error(self, subject: FormatSubject, seed: int) -> None:
        """Random bytes, alone or inside a valid document, raise no other exception."""
        generator = random.Random(seed)
        noise = generator.randbytes(generator.randrange(300))
        at = generator.randrange(len(subject.document) + 1)
        parts = [noise, subject.document[:at], subject.document[:at] + noise + subject.document[at:]]
        for content in parts:
            rows_or_error(subject, content)

    def test_an_empty_document_is_rows_or_a_source_error(self, subject: FormatSubject) -> None:
        """A file is empty for a moment while an editor writes it."""
        rows_or_error(subject, b"")

    def test_a_large_document_is_parsed_in_time(self, subject: FormatSubject) -> None:
        """Valid or invalid, it takes less than the time limit of the core."""
        start = time.monotonic()
        for piece in (subject.document, b"[", b"\x00", b'"'):
            rows_or_error(subject, piece * (LARGE // len(piece)))
        assert time.monotonic() - start < PARSE_LIMIT


def parsed(subject: FormatSubject, content: bytes) -> list[Row]:
    """Parse a document and assert that the result is rows."""
    rows = list(subject.format.parse(content, subject.options))
    for row in rows:
        assert isinstance(row, Row), f"{row!r} is not a Row"
    return rows


def rows_or_error(subject: FormatSubject, content: bytes) -> None:
    """Parse a document that may be invalid, and allow no exception but `SourceError`."""
    try:
        parsed(subject, content)
    except SourceError as error:
        check_message(error)


def rows_taken(subject: FormatSubject, content: bytes) -> tuple[list[object], list[str]]:
    """Return the mappings of a document and the places of its invalid rows."""
    cache = RowCache(subject.options, Policy())
    mappings, rejected = cache.convert(parsed(subject, content), "contract")
    return list(mappings), [row.where for row in rejected]
