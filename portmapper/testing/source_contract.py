"""What every source must do, as tests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from portmapper.api.errors import SourceError
from portmapper.api.source import MAX_DOCUMENT, Document, Row, Source
from portmapper.testing.calls import LONG, cancelled, check_name, leaving_nothing, outcome, switch
from portmapper.testing.subjects import SourceSubject


class SourceContract:
    """Tests of a source. Override the fixture `subject`."""

    @pytest.fixture
    def subject(self) -> SourceSubject:
        """Return the source, and what it reads."""
        raise NotImplementedError("override the fixture `subject` in your class")

    def test_it_claims_its_location(self, subject: SourceSubject) -> None:
        """By the location alone, and always the same."""
        check_name(subject.source.name)
        assert type(subject.source).claims(subject.source.location) is True
        assert type(type(subject.source).claims("")) is bool

    @pytest.mark.asyncio
    async def test_it_fetches_what_is_there(self, subject: SourceSubject) -> None:
        """A document's bytes, or rows."""
        async with closing(subject.source):
            assert content_of(await fetched(subject)) == expected(subject)

    @pytest.mark.asyncio
    async def test_it_can_be_fetched_again(self, subject: SourceSubject) -> None:
        """It is asked once an interval, and each time brings the whole."""
        async with closing(subject.source):
            await fetched(subject)
            assert content_of(await fetched(subject)) == expected(subject)

    @pytest.mark.asyncio
    async def test_what_cannot_be_read_is_a_source_error(self, subject: SourceSubject) -> None:
        """With one clear line."""
        await switch(subject.fail)
        async with closing(subject.source):
            answer = await outcome(subject.source.fetch(), SourceError, limit_of(subject.source))
            assert isinstance(answer, SourceError), "it fetched something that cannot be read"

    @pytest.mark.asyncio
    async def test_a_fetch_can_be_cancelled(self, subject: SourceSubject) -> None:
        """While the other side is silent; no socket and no task is left."""
        if subject.stall is None:
            pytest.skip("this place never stalls")
        async with leaving_nothing(), closing(subject.source):
            await switch(subject.stall)
            await cancelled(subject.source.fetch())

    @pytest.mark.asyncio
    async def test_a_document_has_a_bound(self, subject: SourceSubject) -> None:
        """Reading stops at `MAX_DOCUMENT` bytes, with a SourceError."""
        if subject.flood is None:
            pytest.skip("this place never has too much")
        await switch(subject.flood)
        async with closing(subject.source):
            answer = await outcome(subject.source.fetch(), SourceError, limit_of(subject.source))
            assert isinstance(answer, SourceError), f"it took more than {MAX_DOCUMENT} bytes"

    @pytest.mark.asyncio
    async def test_watching_returns_at_once_and_ends_with_close(self, subject: SourceSubject) -> None:
        """What it starts goes on beside, until `close`; closing twice is no error."""
        async with leaving_nothing(), closing(subject.source):
            await asyncio.wait_for(subject.source.watch(lambda: None), LONG)
            await fetched(subject)

    @pytest.mark.asyncio
    async def test_nothing_is_left_open(self, subject: SourceSubject) -> None:
        """No descriptor and no task, also when it could not be read."""
        async with closing(subject.source):
            await fetched(subject)  # libraries open things for good when they are first used
        async with leaving_nothing(), closing(subject.source):
            await fetched(subject)
            await switch(subject.fail)
            await outcome(subject.source.fetch(), SourceError, limit_of(subject.source))


@asynccontextmanager
async def closing(source: Source) -> AsyncIterator[None]:
    """Close it at the end, twice: whoever is in doubt closes."""
    try:
        yield
    finally:
        for _ in range(2):
            await asyncio.wait_for(source.close(), LONG)


def limit_of(source: Source) -> float:
    """Return the seconds that a fetch may take."""
    return LONG if source.fetch_limit is None else source.fetch_limit


async def fetched(subject: SourceSubject) -> Document | Sequence[Row]:
    """Fetch what can be read."""
    answer = await outcome(subject.source.fetch(), SourceError, limit_of(subject.source))
    assert not isinstance(answer, SourceError), f"it cannot be read: {answer}"
    return answer


def content_of(answer: object) -> object:
    """Return the bytes of a document, or the fields of rows."""
    if isinstance(answer, Document):
        assert isinstance(answer.content, bytes)
        assert answer.content_type == answer.content_type.lower()
        assert answer.suffix == answer.suffix.lower()
        return answer.content
    assert isinstance(answer, Sequence), f"fetch returned {type(answer).__name__}"
    for row in answer:
        assert isinstance(row, Row), f"{row!r} is no Row"
        assert row.place, "a row has no place, which messages name it by"
    return [dict(row.fields) for row in answer]


def expected(subject: SourceSubject) -> object:
    """Return what the subject says is there, in the same shape."""
    if isinstance(subject.content, bytes):
        return subject.content
    return [dict(fields) for fields in subject.content]
