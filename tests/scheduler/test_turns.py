"""Whose turn it is in a group."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable

from portmapper.api.model import Mapping
from portmapper.scheduler.turns import Turns


def test_the_members_of_a_group_take_turns(desired: Callable[..., Mapping]) -> None:
    """The next member is named when the first one leaves."""
    turns = Turns()
    first, second, third = ((desired(port).key, port) for port in (80, 81, 82))
    assert turns.join("group", first)
    assert not turns.join("group", second)
    assert not turns.join("group", third)
    assert turns.has(first)
    assert turns.leave(first) == second
    assert turns.leave(third) is None
    assert turns.leave(second) is None
    assert not turns.has(second)


def test_groups_do_not_wait_for_each_other(desired: Callable[..., Mapping]) -> None:
    """A mapping without peers has its own group."""
    turns = Turns()
    assert turns.join("one", (desired(80).key, 1))
    assert turns.join("other", (desired(81).key, 2))


def test_leaving_twice_changes_nothing(desired: Callable[..., Mapping]) -> None:
    """An answer may arrive after the mapping was dropped."""
    turns = Turns()
    member = (desired().key, 1)
    turns.join("group", member)
    assert turns.leave(member) is None
    assert turns.leave(member) is None


def test_no_table_of_thousands_stays_in_memory(desired: Callable[..., Mapping]) -> None:
    """A start with 2,000 mappings needs tables that the hours after it do not need."""
    turns = Turns()
    members = [(desired(port).key, port) for port in range(1, 2_001)]
    tracemalloc.start()
    try:
        for member in members:
            turns.join(member[0], member)
        for member in members:
            turns.leave(member)
        gc.collect()  # also frees the tuples that the interpreter keeps for later
        assert tracemalloc.get_traced_memory()[0] < 4_096
    finally:
        tracemalloc.stop()
