"""Events reach everyone once, in order, and no observer holds anything up."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest

from portmapper.api.events import Event, EventKind, Observer
from portmapper.api.model import Protocol
from portmapper.observability.publisher import QUEUE_LIMIT, EventPublisher, event_line
from portmapper.store.leases import Store
from portmapper.testing.clock import FakeClock


class Taking(Observer):
    """Takes note of what it is told, when it may."""

    name = "taking"

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.may = asyncio.Event()
        self.may.set()
        self.closed = False

    async def observe(self, event: Event) -> None:
        """Note it, and break where the test says so."""
        await self.may.wait()
        self.seen.append(event.detail)
        if event.detail == "break":
            raise ZeroDivisionError("a bug")

    async def close(self) -> None:
        """Remember it."""
        self.closed = True


def event(detail: str, **more: Any) -> Event:
    """Return an event told apart by its detail."""
    return Event(datetime(2026, 1, 1, tzinfo=UTC), EventKind.OPENED, detail, **more)


@pytest.fixture
def store() -> Any:
    """A store in memory."""
    store = Store(None)
    yield store
    store.close()


async def test_an_observer_sees_every_event_in_order(clock: FakeClock, store: Store) -> None:
    """One after the other, and is closed when the last is seen."""
    observer = Taking()
    journal = EventPublisher(store, [observer])
    journal.start()
    for number in range(10):
        journal.publish(event(str(number)))
    await journal.close()
    assert observer.seen == [str(number) for number in range(10)]
    assert observer.closed


async def test_a_slow_observer_loses_the_oldest(clock: FakeClock, store: Store) -> None:
    """Publishing never waits."""
    observer = Taking()
    observer.may.clear()
    journal = EventPublisher(store, [observer])
    journal.start()
    for number in range(QUEUE_LIMIT + 50):
        journal.publish(event(str(number)))
    observer.may.set()
    await journal.close()
    assert observer.seen == [str(number) for number in range(50, QUEUE_LIMIT + 50)]


async def test_a_broken_observer_is_isolated(
    clock: FakeClock, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    """It is told of the next event all the same, and so are the others."""
    broken, other = Taking(), Taking()
    journal = EventPublisher(store, [broken, other])
    journal.start()
    for detail in ("break", "next"):
        journal.publish(event(detail))
    await journal.close()
    assert broken.seen == other.seen == ["break", "next"]
    assert "observer:taking: ZeroDivisionError" in caplog.text


async def test_an_observer_that_never_ends_is_left(clock: FakeClock, store: Store) -> None:
    """The end waits two seconds for it."""
    observer = Taking()
    observer.may.clear()
    journal = EventPublisher(store, [observer])
    journal.start()
    journal.publish(event("one"))
    closing = asyncio.create_task(journal.close())
    await clock.advance(Observer.end_limit + 1)
    assert closing.done()


async def test_an_observer_that_cannot_close_is_isolated(clock: FakeClock, store: Store) -> None:
    """Its error does not reach the end of the program."""

    class Unclosable(Taking):
        async def close(self) -> None:
            raise ZeroDivisionError("a bug")

    journal = EventPublisher(store, [Unclosable()])
    journal.start()
    await journal.close()


async def test_a_listener_hears_until_it_leaves(clock: FakeClock, store: Store) -> None:
    """It may leave while it is told."""
    journal = EventPublisher(store)
    heard: list[str] = []
    leave = journal.listen(lambda told: (heard.append(told.detail), leave()))  # type: ignore[func-returns-value]
    journal.publish(event("one"))
    journal.publish(event("two"))
    assert heard == ["one"]


def test_one_line_says_it_all() -> None:
    """What, which port, whereto, by whom, and why."""
    told = event(
        "why", protocol=Protocol.TCP, external_port=80, internal_port=8080, backend="pcp", gateway="g"
    )
    assert event_line(told) == "opened TCP *:80 -> *:8080 by pcp at g (why)"
    assert event_line(Event(told.at, EventKind.GATEWAY_LOST, backend="pcp")) == "gateway lost by pcp"
