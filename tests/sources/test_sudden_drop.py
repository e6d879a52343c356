"""A list that suddenly loses most of its rows is held back for one interval."""

from __future__ import annotations

import pytest

from portmapper.api.model import Mapping, Protocol
from portmapper.api.reading import Reading, SourceState
from portmapper.sources.sudden_drop import DropGuard

INTERVAL = 60.0


def reading(rows: int, state: SourceState = SourceState.OK, error: str | None = None) -> Reading:
    """Return a reading with this many rows, two mappings each."""
    mappings = [
        Mapping(protocol, 1000 + row, 80, where=f"line {row}") for row in range(rows) for protocol in Protocol
    ]
    return Reading("here", "csv", state, tuple(mappings), error=error)


@pytest.mark.parametrize(
    ("before", "after", "is_held"),
    [(11, 0, True), (10, 0, False), (20, 3, True), (20, 4, False), (11, 11, False), (0, 11, False)],
)
def test_only_a_large_drop_of_a_long_list_is_held_back(before: int, after: int, is_held: bool) -> None:
    """More than ten rows, and below a fifth of them."""
    old, new = reading(before), reading(after)
    chosen = DropGuard(0.2, INTERVAL).choose(old, new, 0)
    assert (chosen.mappings == old.mappings and chosen.state is SourceState.STALE) == is_held
    assert (chosen is new) != is_held


def test_an_authoritative_list_is_used_at_once() -> None:
    """A server confirms each deletion."""
    assert DropGuard(None, INTERVAL).choose(reading(20), reading(0), 0) == reading(0)


def test_the_drop_takes_effect_after_one_interval() -> None:
    """An edit in the meantime does not extend the time, and the warning is given once."""
    guard, old = DropGuard(0.2, INTERVAL), reading(20)
    held = guard.choose(old, reading(0), 5)
    assert held.error == "it drops from 20 rows to 0; if it stays so for one interval, its ports are closed"
    assert guard.choose(held, reading(0), 25) is held
    assert guard.remaining(25) == 40
    assert guard.choose(held, reading(0), 5 + INTERVAL) == reading(0)
    assert guard.remaining(66) is None


def test_a_reload_applies_it_at_once() -> None:
    """The user has looked at it."""
    assert DropGuard(0.2, INTERVAL).choose(reading(20), reading(0), 0, at_once=True) == reading(0)


def test_a_list_that_recovers_is_used_at_once() -> None:
    """The next drop is held back for a whole interval again."""
    guard, old = DropGuard(0.2, INTERVAL), reading(20)
    held = guard.choose(old, reading(0), 0)
    assert guard.choose(held, reading(19), 30) == reading(19)
    assert guard.choose(reading(19), reading(1), 50).state is SourceState.STALE
    assert guard.remaining(50) == INTERVAL


def test_a_source_that_fails_in_the_meantime_keeps_its_rows() -> None:
    """An unreadable list proves nothing."""
    guard, old = DropGuard(0.2, INTERVAL), reading(20)
    held = guard.choose(old, reading(0), 0)
    failed = guard.choose(held, reading(0, SourceState.STALE, "no such file"), INTERVAL + 1)
    assert (failed.mappings, failed.error) == (old.mappings, "no such file")


def test_the_share_is_configurable() -> None:
    """A share of 0 holds back only an empty list."""
    assert DropGuard(0, INTERVAL).choose(reading(20), reading(1), 0) == reading(1)
    assert DropGuard(0.9, INTERVAL).choose(reading(20), reading(17), 0).state is SourceState.STALE
