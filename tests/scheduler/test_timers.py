"""The queue of the next rounds."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from portmapper.api.model import Mapping
from portmapper.scheduler.lease_state import LeaseState
from portmapper.scheduler.timers import Timers

Desired = Callable[..., Mapping]


@pytest.fixture
def entry(desired: Desired) -> LeaseState:
    """An entry without a plan."""
    return LeaseState(desired())


def test_entries_are_due_in_the_order_of_their_times(desired: Desired) -> None:
    """Entries of the same time are due in the order in which they were scheduled."""
    timers = Timers()
    first, second, third = (LeaseState(desired(port)) for port in (80, 81, 82))
    timers.schedule(third, 20.0)
    timers.schedule(first, 10.0)
    timers.schedule(second, 10.0)
    assert list(timers.pop_due(10.0)) == [first, second]
    assert list(timers.pop_due(20.0)) == [third]
    assert list(timers.pop_due(99.0)) == []


def test_only_the_last_time_of_an_entry_counts(entry: LeaseState) -> None:
    """It may be earlier or later than the one before."""
    timers = Timers()
    timers.schedule(entry, 10.0)
    timers.schedule(entry, 30.0)
    assert list(timers.pop_due(20.0)) == []
    assert entry.due == 30.0
    timers.schedule(entry, 25.0)
    assert list(timers.pop_due(40.0)) == [entry]
    assert entry.due is None


def test_a_removed_entry_is_never_due(entry: LeaseState) -> None:
    """Its items stay in the queue until their time has come."""
    timers = Timers()
    timers.schedule(entry, 10.0)
    entry.removed = True
    assert list(timers.pop_due(10.0)) == []


def test_the_next_time_is_bounded(entry: LeaseState) -> None:
    """By the time of the next resync, which the caller passes."""
    timers = Timers()
    assert timers.next_due(60.0) == 60.0
    timers.schedule(entry, 10.0)
    assert timers.next_due(60.0) == 10.0
    assert timers.next_due(5.0) == 5.0
    timers.clear()
    assert timers.next_due(60.0) == 60.0
