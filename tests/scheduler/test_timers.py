"""The heap of deadlines."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from portmapper.api.model import Mapping, MappingKey
from portmapper.scheduler.timers import Timers


@pytest.fixture
def keys(desired: Callable[..., Mapping]) -> list[MappingKey]:
    """The keys of three mappings."""
    return [desired(port).key for port in (80, 81, 82)]


def test_mappings_are_due_in_the_order_of_their_deadlines(keys: list[MappingKey]) -> None:
    """Equal deadlines are due in the order in which they were set."""
    timers = Timers()
    for key, at in zip(keys, (20.0, 10.0, 10.0), strict=True):
        timers.set(key, at)
    assert list(timers.due(10.0)) == keys[1:]
    assert list(timers.due(20.0)) == keys[:1]
    assert list(timers.due(99.0)) == []


def test_only_the_last_deadline_of_a_mapping_counts(keys: list[MappingKey]) -> None:
    """It may be earlier or later than the one before."""
    timers = Timers()
    timers.set(keys[0], 10.0)
    timers.set(keys[0], 30.0)
    assert list(timers.due(20.0)) == []
    timers.set(keys[0], 25.0)
    assert list(timers.due(40.0)) == [keys[0]]


def test_a_mapping_without_a_deadline_is_never_due(keys: list[MappingKey]) -> None:
    """Its old deadlines stay in the heap until their time has come."""
    timers = Timers()
    timers.set(keys[0], 10.0)
    timers.set(keys[0], None)
    assert list(timers.due(10.0)) == []


def test_setting_the_same_deadline_again_changes_nothing(keys: list[MappingKey]) -> None:
    """The loop need not wake up for it."""
    timers = Timers()
    assert timers.set(keys[0], 10.0)
    assert not timers.set(keys[0], 10.0)
    assert list(timers.due(10.0)) == [keys[0]]


def test_the_next_deadline_is_bounded(keys: list[MappingKey]) -> None:
    """By the time of the next resync, which the caller passes."""
    timers = Timers()
    assert timers.next(60.0) == 60.0
    timers.set(keys[0], 10.0)
    assert timers.next(60.0) == 10.0
    assert timers.next(5.0) == 5.0
    timers.clear()
    assert timers.next(60.0) == 60.0
