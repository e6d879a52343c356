"""The journal's table: what is too old or too much is forgotten, and only that."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from portmapper.api.events import Event, EventKind
from portmapper.store import journal_table
from portmapper.store.leases import FILE_NAME, Store

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def opened(detail: object, at: datetime = NOW) -> Event:
    """Return an event that is told from others by its detail."""
    return Event(at, EventKind.OPENED, str(detail))


def details(store: Store) -> list[str]:
    """Return what the journal holds, the oldest first."""
    return [row["detail"] for row in store.history(1000)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A store's file."""
    return tmp_path / FILE_NAME


def record(path: Path, *events: Event) -> None:
    """Write events as one run does."""
    store = Store(path)
    for event in events:
        store.record(event)
    store.close()


def test_what_is_too_old_is_forgotten_at_the_first_event_of_a_run(path: Path) -> None:
    """A daemon that starts once a week forgets too."""
    limit = timedelta(seconds=journal_table.KEEP_SECONDS)
    record(path, opened("too old", NOW - limit - timedelta(seconds=1)), opened("just kept", NOW - limit))
    record(path, opened("new"))
    store = Store(path)
    assert details(store) == ["just kept", "new"]
    store.close()


def test_the_number_of_events_is_bounded_within_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """A daemon that runs for years never holds more than both bounds together."""
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


def test_reading_forgets_nothing(path: Path) -> None:
    """A look at the history changes no file, whatever it holds."""
    record(path, opened("old", NOW - timedelta(days=3000)))
    store = Store(path)
    assert details(store) == ["old"]
    store.close()
