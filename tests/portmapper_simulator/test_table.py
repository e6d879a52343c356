"""The mapping table with a fake clock."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from portmapper.api.model import Protocol
from portmapper_simulator.table import Entry, Table


class Clock:
    """Clock that advances only when a test changes `now`."""

    now = 100.0

    def __call__(self) -> float:
        """Return the current time."""
        return self.now


@pytest.fixture
def clock() -> Clock:
    """A clock that does not advance by itself."""
    return Clock()


@pytest.fixture
def table(clock: Clock) -> Table:
    """An empty table."""
    return Table(clock)


def entry(port: int = 80, **changes: Any) -> Entry:
    """Return an entry with changes."""
    return attrs.evolve(Entry(Protocol.TCP, port, "192.168.0.2", 8080, "upnp"), **changes)


def test_an_entry_is_found_by_external_port_and_by_target(table: Table) -> None:
    """Both indexes contain it."""
    table.put(entry())
    assert table.get(Protocol.TCP, 80) == entry()
    assert table.get(Protocol.UDP, 80) is None
    assert table.find_by_target(Protocol.TCP, "192.168.0.2", 8080) == [entry()]


def test_a_replaced_entry_leaves_both_indexes(table: Table) -> None:
    """The old internal port has no entry."""
    table.put(entry())
    table.put(entry(internal_port=9090))
    assert table.find_by_target(Protocol.TCP, "192.168.0.2", 8080) == []
    assert len(table) == 1


def test_an_entry_is_due_when_its_lifetime_ends(table: Table, clock: Clock) -> None:
    """It is due only once."""
    short = entry(expires_at=table.expires_at(10))
    table.put(short)
    clock.now += 9.5
    assert table.due() == []
    assert table.remaining(short) == 1
    clock.now += 0.5
    assert table.due() == [short]
    assert table.due() == []


def test_a_renewed_entry_is_not_due_after_its_first_lifetime(table: Table, clock: Clock) -> None:
    """Only the latest expiry is valid."""
    table.put(entry(expires_at=table.expires_at(10)))
    clock.now += 5
    table.put(entry(expires_at=table.expires_at(10)))
    clock.now += 5
    assert table.due() == []
    assert table.next_expiry() == clock.now + 5


def test_a_permanent_entry_is_never_due(table: Table, clock: Clock) -> None:
    """A lifetime of 0 means permanent."""
    permanent = entry(expires_at=table.expires_at(0))
    table.put(permanent)
    clock.now += 1e9
    assert table.due() == []
    assert table.next_expiry() is None
    assert table.remaining(permanent) == 0


def test_removing_twice_is_not_an_error(table: Table) -> None:
    """The second call has no effect."""
    table.put(entry())
    table.remove(entry())
    table.remove(entry())
    assert list(table) == []
