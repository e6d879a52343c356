"""The heap of deadlines."""

from __future__ import annotations

from collections.abc import Callable

import attrs
import pytest

from portmapper.api.model import Mapping, MappingKey
from portmapper.scheduler.timers import Timers


@attrs.frozen
class Deadlines:
    """Timers with the deadlines that they are asked about."""

    current: dict[MappingKey, float | None] = attrs.field(factory=dict)
    timers: Timers = attrs.field(
        default=attrs.Factory(lambda self: Timers(self.current.get), takes_self=True)
    )

    def set(self, key: MappingKey, at: float | None) -> None:
        """Set the deadline of a mapping."""
        self.current[key] = at
        if at is not None:
            self.timers.add(key, at)

    def due(self, now: float) -> list[MappingKey]:
        """Return the mappings that are due, which have no deadline from then on."""
        due = list(self.timers.due(now))
        self.current.update(dict.fromkeys(due))
        return due


@pytest.fixture
def keys(desired: Callable[..., Mapping]) -> list[MappingKey]:
    """The keys of three mappings."""
    return [desired(port).key for port in (80, 81, 82)]


def test_mappings_are_due_in_the_order_of_their_deadlines(keys: list[MappingKey]) -> None:
    """Equal deadlines are due in the order in which they were set."""
    deadlines = Deadlines()
    for key, at in zip(keys, (20.0, 10.0, 10.0), strict=True):
        deadlines.set(key, at)
    assert deadlines.due(10.0) == keys[1:]
    assert deadlines.due(20.0) == keys[:1]
    assert deadlines.due(99.0) == []


def test_only_the_last_deadline_of_a_mapping_counts(keys: list[MappingKey]) -> None:
    """It may be earlier or later than the one before."""
    deadlines = Deadlines()
    deadlines.set(keys[0], 10.0)
    deadlines.set(keys[0], 30.0)
    assert deadlines.due(20.0) == []
    deadlines.set(keys[0], 25.0)
    assert deadlines.due(40.0) == [keys[0]]


def test_a_mapping_without_a_deadline_is_never_due(keys: list[MappingKey]) -> None:
    """Its old deadlines stay in the heap until their time has come."""
    deadlines = Deadlines()
    deadlines.set(keys[0], 10.0)
    deadlines.set(keys[0], None)
    assert deadlines.due(10.0) == []


def test_the_next_deadline_is_bounded(keys: list[MappingKey]) -> None:
    """By the time of the next resync, which the caller passes."""
    deadlines = Deadlines()
    timers = deadlines.timers
    assert timers.next(60.0) == 60.0
    deadlines.set(keys[0], 10.0)
    assert timers.next(60.0) == 10.0
    assert timers.next(5.0) == 5.0
    timers.clear()
    assert timers.next(60.0) == 60.0
