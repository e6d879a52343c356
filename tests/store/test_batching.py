"""Batches of the lease store: one transaction for each cycle, and requests wait for it."""

from __future__ import annotations

import asyncio
import ipaddress
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import attrs
import pytest

from portmapper.api.events import Event, EventKind
from portmapper.api.model import Lease, Protocol
from portmapper.store.leases import Store
from portmapper.store.stored_lease import StoredLease

NOW = datetime(2026, 1, 1, tzinfo=UTC)
HERE = ipaddress.ip_address("192.168.88.10")
GRANTED = StoredLease(
    Lease(Protocol.TCP, HERE, 80, 80, None, 3600, False, "pcp", "pcp:192.168.88.1", b"1" * 12), 80, NOW
)
REQUESTED = attrs.evolve(GRANTED, lease=attrs.evolve(GRANTED.lease, token=b"2" * 12), confirmed=False)
OPENED = Event(NOW, EventKind.OPENED)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return the path of the store."""
    return tmp_path / "leases.sqlite3"


def on_disk(path: Path) -> tuple[set[bytes], int]:
    """Return the tokens and the number of events that another process reads."""
    other = Store(path)
    tokens, events = {stored.lease.token for stored in other.leases}, len(other.history(10))
    other.close()
    return tokens, events


def test_answers_and_events_are_written_in_the_next_cycle(path: Path) -> None:
    """All of them at once, however many there are."""
    store, planned = Store(path), list[Callable[[], None]]()
    with store.batching(planned.append):
        for _ in range(3):
            store.put(GRANTED)
            store.record(OPENED)
        assert on_disk(path) == (set(), 0)
        (write,) = planned
        write()
        assert on_disk(path) == ({b"1" * 12}, 3)
        store.remove(GRANTED.lease.token)
        assert len(planned) == 2
    store.close()


async def test_a_request_waits_until_it_is_on_the_disk(path: Path) -> None:
    """A crash after it is sent must not lose the port. Requests of one cycle share a transaction."""
    store, planned = Store(path), list[Callable[[], None]]()
    with store.batching(planned.append):
        store.put(GRANTED)
        waits = [asyncio.create_task(send(store, path, token)) for token in (b"2" * 12, b"3" * 12)]
        await asyncio.sleep(0)
        assert not any(task.done() for task in waits)
        (write,) = planned
        write()
        for found in await asyncio.gather(*waits):
            assert found == {b"1" * 12, b"2" * 12, b"3" * 12}
    store.close()


async def send(store: Store, path: Path, token: bytes) -> set[bytes]:
    """Store a request, and return the leases on the disk at the moment when it may be sent."""
    store.put(attrs.evolve(REQUESTED, lease=attrs.evolve(REQUESTED.lease, token=token)))
    await store.written()
    return on_disk(path)[0]


async def test_a_request_is_sent_although_the_disk_is_full(path: Path) -> None:
    """A port that stays closed is worse than a lease that a crash would forget."""
    store, planned = Store(path), list[Callable[[], None]]()
    with store.batching(planned.append):
        store._database.execute("PRAGMA query_only = ON")
        store.put(REQUESTED)
        planned[0]()
        await store.written()
        assert store.error
        store._database.execute("PRAGMA query_only = OFF")
        store.catch_up()
        assert store.error is None
    assert on_disk(path)[0] == {b"2" * 12}
    store.close()


def test_damage_to_the_journal_loses_no_lease(path: Path) -> None:
    """Leases and events share a transaction only while both can be written."""
    store = Store(path)
    store._database.execute("DROP TABLE journal")
    with store.batching(lambda write: None):
        store.put(REQUESTED)
        store.record(OPENED)
    assert store.error is not None
    assert "journal" in store.error
    with sqlite3.connect(path) as database:
        assert database.execute("SELECT token FROM leases").fetchall() == [(b"2" * 12,)]
    database.close()
    store.close()


def test_what_a_release_may_close_is_written_at_once(path: Path) -> None:
    """A crash after the release must not lose that the other port has to be opened again."""
    store = Store(path)
    with store.batching(lambda write: None):
        store.put(GRANTED)
        store.put(attrs.evolve(GRANTED, disturbed=True))
        assert on_disk(path)[0] == {b"1" * 12}
    store.close()


def test_the_history_has_events_that_are_not_written_yet(path: Path) -> None:
    """So has the id of the latest event, which streams use."""
    store = Store(path)
    with store.batching(lambda write: None):
        store.record(OPENED)
        assert store.last_event_id == 1
        store.record(OPENED)
        assert len(store.history(10)) == 2
    store.close()


def test_the_end_of_batching_writes_everything(path: Path) -> None:
    """The loop has no next cycle then."""
    store = Store(path)
    with store.batching(lambda write: None):
        store.put(GRANTED)
        store.record(OPENED)
    assert on_disk(path) == ({b"1" * 12}, 1)
    store.close()
