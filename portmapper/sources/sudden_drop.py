"""Holds back a list that suddenly loses most of its rows, for one interval."""

from __future__ import annotations

import attrs

from portmapper.api.reading import Reading, SourceState
from portmapper.support.text import plural

BELIEVED_ROWS = 10
"""A list of so few rows is always believed: people edit it by hand."""


class DropGuard:
    """Decides which reading of one source is in effect."""

    def __init__(self, keep_share: float | None, interval: float) -> None:
        """Hold nothing back yet.

        Args:
            keep_share: a list that drops below this share of its rows is held back; None holds nothing back.
            interval: seconds that it is held back.
        """
        self._keep_share = keep_share
        self._interval = interval
        self._since: float | None = None

    def remaining(self, now: float) -> float | None:
        """Return the seconds until a list that is held back takes effect; None if none is."""
        return None if self._since is None else max(self._since + self._interval - now, 0)

    def choose(self, before: Reading, after: Reading, now: float, *, at_once: bool = False) -> Reading:
        """Return the reading that takes effect: the new one, or the rows before with a warning."""
        if at_once or not self._is_drop(_rows(before), _rows(after)):
            self._since = None
            return after
        if self._since is None or after.state is not SourceState.OK:
            self._since = now  # an unreadable list proves nothing
        if now >= self._since + self._interval:
            self._since = None
            return after
        drop = f"drops from {plural(_rows(before), 'row')} to {_rows(after)}"
        return _held_back(before, after, drop)

    def _is_drop(self, old: int, new: int) -> bool:
        if self._keep_share is None or old <= BELIEVED_ROWS:
            return False
        return new == 0 or new < self._keep_share * old


def _held_back(before: Reading, after: Reading, drop: str) -> Reading:
    error = after.error or f"it {drop}; if it stays so for one interval, its ports are closed"
    if before.state is SourceState.STALE and before.error == error:
        return before
    return attrs.evolve(before, state=SourceState.STALE, error=error)


def _rows(reading: Reading) -> int:
    return len({mapping.where for mapping in reading.mappings})
