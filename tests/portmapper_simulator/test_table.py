"""The mapping table on a clock of the test's own."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from portmapper.api.model import Protocol
from portmapper_simulator.table import Entry, Table


class Clock:
    """Seconds that pass when they are told to."""

    now = 100.0

    def __call__(self) -> float:
        """Tell the time."""
        return self.now


@pytest.fixture
def clock() -> Clock:
    """A clock that stands still."""
    return Clock()


@pytest.fixture
def table(clock: Clock) -> Table:
    """An empty table."""
    return Table(clock)


def entry(port: int = 80, **changes: Any) -> Entry:
    """Make an entry."""
    return attrs.evolve(Entry(Protocol.TCP, port, "192.168.0.2", 8080, "upnp"), **changes)


def test_an_entry_is_found_by_both_its_sides(table: Table) -> None:
    """The outside port and the inside port both lead to it."""
    table.put(entry())
    assert table.get(Protocol.TCP, 80) == entry()
    assert table.get(Protocol.UDP, 80) is None
    assert table.find_by_target(Protocol.TCP, "192.168.0.2", 8080) == [entry()]


def test_a_replaced_entry_leaves_nothing_behind(table: Table) -> None:
    """The old inside port no longer leads anywhere."""
    table.put(entry())
    table.put(entry(internal_port=9090))
    assert table.find_by_target(Protocol.TCP, "192.168.0.2", 8080) == []
    assert len(table) == 1


def test_an_entry_is_due_when_its_lifetime_is_over(table: Table, clock: Clock) -> None:
    """Not before, and only once."""
    short = entry(expires_at=table.expires_at(10))
    table.put(short)
    clock.now += 9.5
    assert table.due() == []
    assert table.remaining(short) == 1
    clock.now += 0.5
    assert table.due() == [short]
    assert table.due() == []


def test_a_renewed_entry_outlives_its_first_lifetime(table: Table, clock: Clock) -> None:
    """The expiry that counts is the last."""
    table.put(entry(expires_at=table.expires_at(10)))
    clock.now += 5
    table.put(entry(expires_at=table.expires_at(10)))
    clock.now += 5
    assert table.due() == []
    assert table.next_expiry() == clock.now + 5


def test_a_permanent_entry_is_never_due(table: Table, clock: Clock) -> None:
    """A lifetime of 0 is for ever."""
    permanent = entry(expires_at=table.expires_at(0))
    table.put(permanent)
    clock.now += 1e9
    assert table.due() == []
    assert table.next_expiry() is None
    assert table.remaining(permanent) == 0


def test_removing_twice_is_no_error(table: Table) -> None:
    """The second time there is nothing to do."""
    table.put(entry())
    table.remove(entry())
    table.remove(entry())
    assert list(table) == []
