"""What every observer must do, as tests."""

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

    def test_it_says_what_it_is(self, subject: ObserverSubject) -> None:
        """A name, the settings' table if it has one, and how long its end may take."""
        check_name(subject.observer.name)
        assert isinstance(subject.observer.table, str)
        assert subject.observer.end_limit > 0

    def test_without_settings_it_is_made_or_not_needed(self, subject: ObserverSubject) -> None:
        """`configured(None)` is what a user without a settings file gets; it raises nothing."""
        made = type(subject.observer).configured(None)
        assert made is None or isinstance(made, type(subject.observer))

    @pytest.mark.asyncio
    @pytest.mark.parametrize("kind", list(EventKind))
    async def test_events_of_every_kind_are_accepted(self, subject: ObserverSubject, kind: EventKind) -> None:
        """With all that is known of a mapping, and with nothing but a time."""
        async with started(subject):
            await told(subject, mapping_event(kind))
            await told(subject, Event(at=AT, kind=kind))

    @pytest.mark.asyncio
    async def test_an_ipv6_event_is_accepted(self, subject: ObserverSubject) -> None:
        """A pinhole's."""
        address = ipaddress.ip_address("2001:db8::10")
        event = attrs.evolve(
            mapping_event(EventKind.OPENED),
            family=Family.IPV6,
            internal_address=address,
            external_address=address,
        )
        async with started(subject):
            await told(subject, event)

    @pytest.mark.asyncio
    async def test_hostile_text_is_accepted(self, subject: ObserverSubject) -> None:
        """Details and comments come from routers and lists: escapes, quotes, markup, no end."""
        async with started(subject):
            for kind in (EventKind.OPENED, EventKind.FAILED, EventKind.CLOSED):
                event = attrs.evolve(mapping_event(kind), detail=HOSTILE, comment=HOSTILE, source=HOSTILE)
                await told(subject, event)

    @pytest.mark.asyncio
    async def test_many_events_are_accepted(self, subject: ObserverSubject) -> None:
        """One after the other, as they come when a gateway restarts."""
        async with started(subject):
            for number in range(100):
                event = attrs.evolve(mapping_event(EventKind.OPENED), external_port=number + 1)
                await told(subject, event)

    @pytest.mark.asyncio
    async def test_it_can_be_cancelled(self, subject: ObserverSubject) -> None:
        """While it takes note: it ends soon, and can still be closed."""
        async with started(subject):
            task = asyncio.ensure_future(subject.observer.observe(mapping_event(EventKind.OPENED)))
            await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task], timeout=SOON)
            assert task.done(), "it goes on though it was cancelled"

    @pytest.mark.asyncio
    async def test_it_can_be_closed_without_an_event(self, subject: ObserverSubject) -> None:
        """And without having been started."""
        await closed(subject)

    @pytest.mark.asyncio
    async def test_nothing_is_left_open(self, subject: ObserverSubject) -> None:
        """No descriptor and no task, once it is closed; closing twice is no error."""
        async with leaving_nothing(), started(subject):
            await told(subject, mapping_event(EventKind.OPENED))


def mapping_event(kind: EventKind) -> Event:
    """Return an event with everything that can be known."""
    return Event(
        at=AT,
        kind=kind,
        detail="as the contract has it",
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
    """Start it, and close it at the end, twice."""
    answer = await outcome(subject.observer.start(), PortmapperError, LONG)
    assert answer is None, f"it cannot be started: {answer}"
    try:
        yield
    finally:
        await closed(subject)


async def told(subject: ObserverSubject, event: Event) -> None:
    """Tell it; it may complain with an error of ours, and with nothing else."""
    await outcome(subject.observer.observe(event), PortmapperError, subject.limit)


async def closed(subject: ObserverSubject) -> None:
    """Close it twice: whoever is in doubt closes."""
    for _ in range(2):
        await outcome(subject.observer.close(), PortmapperError, LONG)
