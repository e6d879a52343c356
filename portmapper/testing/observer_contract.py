"""The contract of observers: tests that every observer must pass."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import attrs
import pytest

from portmapper.api.errors import PortmapperError
from portmapper.api.events import Event, EventKind
from portmapper.api.model import Family, Protocol
from portmapper.testing.calls import LONG, SOON, check_name, leaving_nothing, outcome
from portmapper.testing.subjects import ObserverSubject

HOSTILE = "\x1b[31m\x00\n<b>[bold]'\"{}%s\u202e" * 20
AT = datetime(2026, 1, 1, tzinfo=UTC)


class ObserverContract:
    """Tests of an observer. Override the fixture `subject`."""

    @pytest.fixture
    def subject(self) -> ObserverSubject:
        """Return the observer."""
        raise NotImplementedError("override the fixture `subject` in your class")

    def test_name_table_and_time_limit_are_valid(self, subject: ObserverSubject) -> None:
        """The table is a string, and the time limit for closing is positive."""
        check_name(subject.observer.name)
        assert isinstance(subject.observer.table, str)
        assert subject.observer.end_limit > 0

    def test_it_can_be_created_without_a_table(self, subject: ObserverSubject) -> None:
        """Without a settings file, portmapper calls `from_table(None)`, which must raise nothing."""
        made = type(subject.observer).from_table(None)
        assert made is None or isinstance(made, type(subject.observer))

    @pytest.mark.asyncio
    @pytest.mark.parametrize("kind", list(EventKind))
    async def test_events_of_every_kind_are_accepted(self, subject: ObserverSubject, kind: EventKind) -> None:
        """Events may have all fields, or only a time and a kind."""
        async with started(subject):
            await observe(subject, mapping_event(kind))
            await observe(subject, Event(at=AT, kind=kind))

    @pytest.mark.asyncio
    async def test_an_ipv6_event_is_accepted(self, subject: ObserverSubject) -> None:
        """It is the event of a pinhole."""
        address = ipaddress.ip_address("2001:db8::10")
        event = attrs.evolve(
            mapping_event(EventKind.OPENED),
            family=Family.IPV6,
            internal_address=address,
            external_address=address,
        )
        async with started(subject):
            await observe(subject, event)

    @pytest.mark.asyncio
    async def test_hostile_text_is_accepted(self, subject: ObserverSubject) -> None:
        """Details and comments are untrusted: escapes, quotes, markup, very long text."""
        async with started(subject):
            for kind in (EventKind.OPENED, EventKind.FAILED, EventKind.CLOSED):
                event = attrs.evolve(mapping_event(kind), detail=HOSTILE, comment=HOSTILE, source=HOSTILE)
                await observe(subject, event)

    @pytest.mark.asyncio
    async def test_many_events_are_accepted(self, subject: ObserverSubject) -> None:
        """Many events in a row follow the restart of a gateway."""
        async with started(subject):
            for number in range(100):
                event = attrs.evolve(mapping_event(EventKind.OPENED), external_port=number + 1)
                await observe(subject, event)

    @pytest.mark.asyncio
    async def test_it_can_be_cancelled(self, subject: ObserverSubject) -> None:
        """`observe` ends soon, and the observer can still be closed."""
        async with started(subject):
            task = asyncio.ensure_future(subject.observer.observe(mapping_event(EventKind.OPENED)))
            await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task], timeout=SOON)
            assert task.done(), "the observer did not end after it was canceled"

    @pytest.mark.asyncio
    async def test_it_can_be_closed_without_an_event(self, subject: ObserverSubject) -> None:
        """This also works if it was not started."""
        await closed(subject)

    @pytest.mark.asyncio
    async def test_nothing_is_left_open(self, subject: ObserverSubject) -> None:
        """After closing, no file descriptor and no task is left; closing twice raises nothing."""
        async with leaving_nothing(), started(subject):
            await observe(subject, mapping_event(EventKind.OPENED))


def mapping_event(kind: EventKind) -> Event:
    """Return an event with all fields set."""
    return Event(
        at=AT,
        kind=kind,
        detail="an event of the contract",
        protocol=Protocol.TCP,
        family=Family.IPV4,
        internal_address=ipaddress.ip_address("192.168.88.10"),
        internal_port=80,
        wanted_external_port=8080,
        external_address=ipaddress.ip_address("203.0.113.7"),
        external_port=8080,
        backend="contract",
        gateway="192.168.88.1",
        comment="web",
        source="ports.csv",
    )


@asynccontextmanager
async def started(subject: ObserverSubject) -> AsyncIterator[None]:
    """Start the observer; close it twice at the end of the block."""
    answer = await outcome(subject.observer.start(), PortmapperError, LONG)
    assert answer is None, f"the observer cannot be started: {answer}"
    try:
        yield
    finally:
        await closed(subject)


async def observe(subject: ObserverSubject, event: Event) -> None:
    """Pass an event to the observer; it may raise a `PortmapperError` and nothing else."""
    await outcome(subject.observer.observe(event), PortmapperError, subject.limit)


async def closed(subject: ObserverSubject) -> None:
    """Close the observer twice: a caller need not know whether it is closed."""
    for _ in range(2):
        await outcome(subject.observer.close(), PortmapperError, LONG)
