"""What every format must do, as tests."""

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
"""Bytes of the document that tries how the format bears a large one."""


class FormatContract:
    """Tests of a format. Override the fixture `subject`."""

    @pytest.fixture
    def subject(self) -> FormatSubject:
        """Return the format, and documents of it."""
        raise NotImplementedError("override the fixture `subject` in your class")

    def test_it_says_what_it_reads(self, subject: FormatSubject) -> None:
        """Suffixes with their dot and media types, in lower case."""
        check_name(subject.format.name)
        for suffix in subject.format.suffixes:
            assert suffix.startswith("."), f"the suffix {suffix!r} has no dot"
            assert suffix == suffix.lower()
        for content_type in subject.format.content_types:
            assert "/" in content_type
            assert content_type == content_type.lower()

    def test_a_document_becomes_its_rows(self, subject: FormatSubject) -> None:
        """Each with its fields, in order."""
        assert [dict(row.fields) for row in parsed(subject, subject.document)] == [
            dict(fields) for fields in subject.rows
        ]

    def test_parsing_again_gives_the_same(self, subject: FormatSubject) -> None:
        """Nothing of one document stays for the next."""
        assert parsed(subject, subject.document) == parsed(subject, subject.document)

    def test_every_row_has_a_place_of_its_own(self, subject: FormatSubject) -> None:
        """Messages name rows and fields by it."""
        rows = parsed(subject, subject.document)
        assert all(row.place for row in rows)
        assert len({row.place for row in rows}) == len(rows)
        assert all("port" in row.field_place.format("port") for row in rows)

    def test_good_rows_become_mappings(self, subject: FormatSubject) -> None:
        """The fields have names and values that portmapper takes."""
        mappings, rejected = rows_taken(subject, subject.document)
        assert not rejected
        assert mappings

    def test_a_bad_row_is_named_and_the_others_go_on(self, subject: FormatSubject) -> None:
        """By its place, so that whoever wrote it finds it."""
        mappings, rejected = rows_taken(subject, subject.bad_row)
        assert len(rejected) == 1, f"one row is wrong, and {len(rejected)} were rejected"
        assert rejected[0].startswith(subject.bad_place)
        assert mappings, "the good row was left out, too"

    def test_a_broken_document_is_a_source_error(self, subject: FormatSubject) -> None:
        """With one clear line."""
        if subject.broken is None:
            pytest.skip("no document of this format is broken as a whole")
        with pytest.raises(SourceError) as raised:
            parsed(subject, subject.broken)
        check_message(raised.value)

    @pytest.mark.parametrize("seed", range(20))
    def test_any_bytes_are_rows_or_a_source_error(self, subject: FormatSubject, seed: int) -> None:
        """Noise, and the document with noise in it: nothing else is raised."""
        chance = random.Random(seed)
        noise = chance.randbytes(chance.randrange(300))
        at = chance.randrange(len(subject.document) + 1)
        parts = [noise, subject.document[:at], subject.document[:at] + noise + subject.document[at:]]
        for content in parts:
            rows_or_error(subject, content)

    def test_an_empty_document_is_rows_or_a_source_error(self, subject: FormatSubject) -> None:
        """Somebody is about to write it."""
        rows_or_error(subject, b"")

    def test_a_large_document_ends_in_time(self, subject: FormatSubject) -> None:
        """Of rows or of noise, it takes less than what the core waits for."""
        began = time.monotonic()
        for piece in (subject.document, b"[", b"\x00", b'"'):
            rows_or_error(subject, piece * (LARGE // len(piece)))
        assert time.monotonic() - began < PARSE_LIMIT


def parsed(subject: FormatSubject, content: bytes) -> list[Row]:
    """Parse, and see that it gives rows."""
    rows = list(subject.format.parse(content, subject.options))
    for row in rows:
        assert isinstance(row, Row), f"{row!r} is no Row"
    return rows


def rows_or_error(subject: FormatSubject, content: bytes) -> None:
    """Parse what may be nonsense; nothing but a SourceError is raised."""
    try:
        parsed(subject, content)
    except SourceError as error:
        check_message(error)


def rows_taken(subject: FormatSubject, content: bytes) -> tuple[list[object], list[str]]:
    """Return the mappings of a document, and where it is wrong."""
    cache = RowCache(subject.options.families, Policy())
    mappings, rejected = cache.take(parsed(subject, content), "contract")
    return list(mappings), [row.where for row in rejected]
