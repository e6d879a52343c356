"""The time of each mapping's next round."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterator

from portmapper.scheduler.lease_state import LeaseState


class Timers:
    """A queue of entries by time.

    Scheduling an entry again leaves its earlier item in the queue, but only the item that matches `entry.due`
    counts.
    """

    def __init__(self) -> None:
        self._queue: list[tuple[float, int, LeaseState]] = []
        self._order = itertools.count()

    def schedule(self, entry: LeaseState, at: float) -> None:
        """Schedule `entry` for monotonic time `at`, in place of an earlier time."""
        entry.due = at
        heapq.heappush(self._queue, (at, next(self._order), entry))

    def pop_due(self, now: float) -> Iterator[LeaseState]:
        """Remove and yield the entries that are due."""
        while self._queue and self._queue[0][0] <= now:
            due, _, entry = heapq.heappop(self._queue)
            if entry.due == due and not entry.removed:
                entry.due = None
                yield entry

    def next_due(self, latest: float) -> float:
        """Return when the next item is due, but no later than `latest`."""
        return min(self._queue[0][0], latest) if self._queue else latest

    def clear(self) -> None:
        """Remove everything from the queue."""
        self._queue.clear()
