"""The journal's table: which events are deleted, and which are kept."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from portmapper.api.events import Event, EventKind
from portmapper.store import journal_table
from portmapper.store.leases import FILE_NAME, Store

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def opened(detail: object, at: datetime = NOW) -> Event:
    """Return an event that its detail identifies."""
    return Event(at, EventKind.OPENED, str(detail))


def details(store: Store) -> list[str]:
    """Return the details of all events in the journal, the oldest first."""
    return [row["detail"] for row in store.history(1000)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The file of a store."""
    return tmp_path / FILE_NAME


def record(path: Path, *events: Event) -> None:
    """Record events in one run."""
    store = Store(path)
    for event in events:
        store.record(event)
    store.close()


def test_the_first_event_of_a_run_deletes_old_events(path: Path) -> None:
    """So a daemon that starts once a week deletes them too."""
    limit = timedelta(seconds=journal_table.KEEP_SECONDS)
    record(path, opened("too old", NOW - limit - timedelta(seconds=1)), opened("just kept", NOW - limit))
    record(path, opened("new"))
    store = Store(path)
    assert details(store) == ["just kept", "new"]
    store.close()


def test_the_number_of_events_is_bounded_within_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """A daemon that runs for years never exceeds the sum of both bounds."""
    monkeypatch.setattr(journal_table, "KEEP_EVENTS", 10)
    monkeypatch.setattr(journal_table, "FORGET_EVERY", 5)
    store = Store(None)
    for number in range(101):
        store.record(opened(number))
    assert details(store) == [str(number) for number in range(91, 101)]
    for number in range(101, 105):
        store.record(opened(number))
    assert len(details(store)) == 14
    store.close()


def test_reading_deletes_nothing(path: Path) -> None:
    """`history` changes no file."""
    record(path, opened("old", NOW - timedelta(days=3000)))
    store = Store(path)
    assert details(store) == ["old"]
    store.close()


def test_a_clock_that_jumps_ahead_deletes_no_events(path: Path) -> None:
    """The events of a run with a wrong clock stand beside those before and after it."""
    record(path, opened("before"))
    record(path, opened("ahead", datetime(2106, 2, 7, 6, 28, 15, tzinfo=UTC)))
    record(path, opened("after", NOW + timedelta(days=1)))
    store = Store(path)
    assert details(store) == ["before", "ahead", "after"]
    store.close()
