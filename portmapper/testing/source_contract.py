"""The contract of sources: tests that every source must pass."""

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
        """Return the source and its content."""
        raise NotImplementedError("override the fixture `subject` in your class")

    def test_it_claims_its_location(self, subject: SourceSubject) -> None:
        """`claims` depends only on the location, and its result never changes."""
        check_name(subject.source.name)
        assert type(subject.source).claims(subject.source.location) is True
        assert type(type(subject.source).claims("")) is bool

    @pytest.mark.asyncio
    async def test_it_fetches_what_is_there(self, subject: SourceSubject) -> None:
        """The result is the bytes of a document, or rows."""
        async with closing(subject.source):
            assert content_of(await fetched(subject)) == expected(subject)

    @pytest.mark.asyncio
    async def test_it_can_be_fetched_again(self, subject: SourceSubject) -> None:
        """portmapper fetches the whole content once per interval."""
        async with closing(subject.source):
            await fetched(subject)
            assert content_of(await fetched(subject)) == expected(subject)

    @pytest.mark.asyncio
    async def test_unreadable_content_is_a_source_error(self, subject: SourceSubject) -> None:
        """Its message is one line."""
        await switch(subject.fail)
        async with closing(subject.source):
            answer = await outcome(subject.source.fetch(), SourceError, limit_of(subject.source))
            assert isinstance(answer, SourceError), "fetch succeeded although the content cannot be read"

    @pytest.mark.asyncio
    async def test_a_fetch_can_be_cancelled(self, subject: SourceSubject) -> None:
        """If the other side is silent, a canceled fetch leaves no socket and no task."""
        if subject.stall is None:
            pytest.skip("this source never waits")
        async with leaving_nothing(), closing(subject.source):
            await switch(subject.stall)
            await cancelled(subject.source.fetch())

    @pytest.mark.asyncio
    async def test_the_size_of_a_document_is_limited(self, subject: SourceSubject) -> None:
        """Reading stops at `MAX_DOCUMENT` bytes with a `SourceError`."""
        if subject.flood is None:
            pytest.skip("the content of this source is never too large")
        await switch(subject.flood)
        async with closing(subject.source):
            answer = await outcome(subject.source.fetch(), SourceError, limit_of(subject.source))
            assert isinstance(answer, SourceError), f"fetch accepted more than {MAX_DOCUMENT} bytes"

    @pytest.mark.asyncio
    async def test_watching_returns_at_once_and_ends_with_close(self, subject: SourceSubject) -> None:
        """What `watch` starts runs until `close`; closing twice raises nothing."""
        async with leaving_nothing(), closing(subject.source):
            await asyncio.wait_for(subject.source.watch(lambda: None), LONG)
            await fetched(subject)

    @pytest.mark.asyncio
    async def test_nothing_is_left_open(self, subject: SourceSubject) -> None:
        """No file descriptor and no task is left, even if reading failed."""
        async with closing(subject.source):
            await fetched(subject)  # on first use, libraries may open files that stay open
        async with leaving_nothing(), closing(subject.source):
            await fetched(subject)
            await switch(subject.fail)
            await outcome(subject.source.fetch(), SourceError, limit_of(subject.source))


@asynccontextmanager
async def closing(source: Source) -> AsyncIterator[None]:
    """Close the source twice at the end of the block: a caller need not know whether it is closed."""
    try:
        yield
    finally:
        for _ in range(2):
            await asyncio.wait_for(source.close(), LONG)


def limit_of(source: Source) -> float:
    """Return the time limit of a fetch in seconds."""
    return LONG if source.fetch_limit is None else source.fetch_limit


async def fetched(subject: SourceSubject) -> Document | Sequence[Row]:
    """Fetch the content and assert that this succeeds."""
    answer = await outcome(subject.source.fetch(), SourceError, limit_of(subject.source))
    assert not isinstance(answer, SourceError), f"the content cannot be read: {answer}"
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
        assert isinstance(row, Row), f"{row!r} is not a Row"
        assert row.where, "a row has no `where`, which messages use to name it"
    return [dict(row.fields) for row in answer]


def expected(subject: SourceSubject) -> object:
    """Return the subject's content in the same form as `content_of`."""
    if isinstance(subject.content, bytes):
        return subject.content
    return [dict(fields) for fields in subject.content]
