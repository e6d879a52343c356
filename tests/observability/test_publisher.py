"""The publisher sends each event to every observer once, in order, and waits for none."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import UTC, datetime
from typing import Any

import pytest

from portmapper.api.events import Event, EventKind, Observer
from portmapper.api.model import Protocol
from portmapper.observability.publisher import (
    QUEUE_LIMIT,
    EventPublisher,
    event_document,
    event_line,
)
from portmapper.pluginhost.faults import FAULTS
from portmapper.store.leases import Store
from portmapper.testing.clock import FakeClock


class RecordingObserver(Observer):
    """Records the events that it receives; a test can block it."""

    name = "recording"

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.unblocked = asyncio.Event()
        self.unblocked.set()
        self.closed = False

    async def observe(self, event: Event) -> None:
        """Record the event; fail if its detail is "break"."""
        await self.unblocked.wait()
        self.seen.append(event.detail)
        if event.detail == "break":
            raise ZeroDivisionError("a bug")

    async def close(self) -> None:
        """Record the call."""
        self.closed = True


def event(detail: str, **more: Any) -> Event:
    """Return an event with this detail."""
    return Event(datetime(2026, 1, 1, tzinfo=UTC), EventKind.OPENED, detail, **more)


async def test_an_observer_sees_every_event_in_order(clock: FakeClock, store: Store) -> None:
    """It receives one at a time, and is closed after the last one."""
    observer = RecordingObserver()
    publisher = EventPublisher(store, [observer])
    publisher.start()
    for number in range(10):
        publisher.publish(event(str(number)))
    await publisher.close()
    assert observer.seen == [str(number) for number in range(10)]
    assert observer.closed


async def test_a_slow_observer_loses_the_oldest(clock: FakeClock, store: Store) -> None:
    """Because publishing never waits."""
    observer = RecordingObserver()
    observer.unblocked.clear()
    publisher = EventPublisher(store, [observer])
    publisher.start()
    for number in range(QUEUE_LIMIT + 50):
        publisher.publish(event(str(number)))
    observer.unblocked.set()
    await publisher.close()
    assert observer.seen == [str(number) for number in range(50, QUEUE_LIMIT + 50)]


async def test_an_observer_keeps_pace_with_thousands_of_events(clock: FakeClock, store: Store) -> None:
    """A long list is opened in a few turns of the event loop."""
    observer = RecordingObserver()
    publisher = EventPublisher(store, [observer])
    publisher.start()
    for number in range(3 * QUEUE_LIMIT):
        if number % (QUEUE_LIMIT // 4) == 0:
            await asyncio.sleep(0)
        publisher.publish(event(str(number)))
    await publisher.close()
    assert len(observer.seen) == 3 * QUEUE_LIMIT
    assert publisher.dropped == {"recording": 0}


async def test_an_observer_with_many_events_lets_other_work_go_on(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that waits for nothing would otherwise stop the event loop until its queue is empty."""
    monkeypatch.setattr("portmapper.observability.publisher.LONGEST_TURN", 0.0)
    observer = RecordingObserver()
    publisher = EventPublisher(store, [observer])
    publisher.start()
    for number in range(10):
        publisher.publish(event(str(number)))
    turns = 0
    while len(observer.seen) < 10:
        await asyncio.sleep(0)
        turns += 1
    assert turns >= 10
    await publisher.close()


async def test_an_observer_that_cancels_itself_gets_the_next_event(store: Store) -> None:
    """Libraries for time limits cancel the task that they run in."""

    class CancelsItself(RecordingObserver):
        async def observe(self, event: Event) -> None:
            task = asyncio.current_task()
            assert task is not None
            if event.detail == "first":
                task.cancel()
            await asyncio.sleep(0)
            self.seen.append(event.detail)

    observer = CancelsItself()
    publisher = EventPublisher(store, [observer])
    publisher.start()
    publisher.publish(event("first"))
    for _ in range(5):
        await asyncio.sleep(0)
    publisher.publish(event("second"))
    await publisher.close()
    assert observer.seen == ["second"]
    assert "canceled its own task" in FAULTS.document()[0]["error"]


async def test_an_observer_that_ignores_its_end_gets_no_more_events(clock: FakeClock, store: Store) -> None:
    """It is canceled after its time limit."""

    class Stubborn(RecordingObserver):
        async def observe(self, event: Event) -> None:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.Event().wait()
            self.seen.append(event.detail)

    observer = Stubborn()
    publisher = EventPublisher(store, [observer])
    publisher.start()
    for detail in ("first", "second"):
        publisher.publish(event(detail))
    closing = asyncio.create_task(publisher.close())
    await clock.advance(Observer.end_limit + 1)
    await closing
    assert observer.seen == ["first"]


async def test_a_broken_observer_is_isolated(
    clock: FakeClock, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    """It receives the next event, and so do the others."""
    broken, other = RecordingObserver(), RecordingObserver()
    publisher = EventPublisher(store, [broken, other])
    publisher.start()
    for detail in ("break", "next"):
        publisher.publish(event(detail))
    await publisher.close()
    assert broken.seen == other.seen == ["break", "next"]
    assert "observer:recording: ZeroDivisionError" in caplog.text


async def test_an_observer_that_never_ends_is_abandoned(clock: FakeClock, store: Store) -> None:
    """Closing the publisher waits for a limited time."""
    observer = RecordingObserver()
    observer.unblocked.clear()
    publisher = EventPublisher(store, [observer])
    publisher.start()
    publisher.publish(event("one"))
    closing = asyncio.create_task(publisher.close())
    await clock.advance(Observer.end_limit + 1)
    assert closing.done()


async def test_an_observer_that_cannot_close_is_isolated(clock: FakeClock, store: Store) -> None:
    """Closing the publisher raises no error."""

    class Unclosable(RecordingObserver):
        async def close(self) -> None:
            raise ZeroDivisionError("a bug")

    publisher = EventPublisher(store, [Unclosable()])
    publisher.start()
    await publisher.close()


async def test_a_listener_receives_events_until_it_is_removed(clock: FakeClock, store: Store) -> None:
    """It may be removed during an event."""
    publisher = EventPublisher(store)
    received: list[str] = []
    remove = publisher.listen(lambda event: (received.append(event.detail), remove()))  # type: ignore[func-returns-value]
    publisher.publish(event("one"))
    publisher.publish(event("two"))
    assert received == ["one"]


def test_an_event_as_one_line() -> None:
    """With the words of `history`: kind, port, host, protocol, gateway and reason."""
    opened = event(
        "why", protocol=Protocol.TCP, external_port=80, internal_port=8080, backend="pcp", gateway="g"
    )
    assert event_line(opened) == "opened 80/tcp → this host:8080 over PCP on g: why"
    lost = Event(opened.at, EventKind.GATEWAY_LOST, backend="pcp", gateway="192.168.1.1")
    assert event_line(lost) == "gateway 192.168.1.1 lost"
    changed = Event(opened.at, EventKind.EXTERNAL_ADDRESS_CHANGED, "was none", backend="upnp")
    assert event_line(changed) == "external address changed over UPnP: was none"


async def test_replaced_observers_are_closed(clock: FakeClock, store: Store) -> None:
    """An observer in both lists keeps its queue; a new one receives events from now on."""
    kept, removed, added = RecordingObserver(), RecordingObserver(), RecordingObserver()
    publisher = EventPublisher(store, [kept, removed])
    publisher.start()
    publisher.publish(event("one"))
    publisher.set_observers([kept, added])
    publisher.publish(event("two"))
    await clock.advance(0)
    assert (removed.closed, kept.closed) == (True, False)
    await publisher.close()
    assert (kept.seen, removed.seen, added.seen) == (["one", "two"], ["one"], ["two"])


def test_an_event_as_a_document() -> None:
    """With the names of `history --json`; addresses are text, and missing values are null."""
    document = event_document(event("why", protocol=Protocol.TCP, external_port=80, backend="pcp"))
    assert document["at"] == "2026-01-01T00:00:00+00:00"
    assert (document["event"], document["protocol"], document["external_port"]) == ("opened", "TCP", 80)
    assert (document["internal_address"], document["detail"]) == (None, "why")
