"""When each mapping's next round begins."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterator

from portmapper.scheduler.lease_state import LeaseState


class Timers:
    """A queue by time. An entry stands in it as often as it was planned; only its last plan counts."""

    def __init__(self) -> None:
        self._queue: list[tuple[float, int, LeaseState]] = []
        self._order = itertools.count()

    def plan(self, entry: LeaseState, at: float) -> None:
        """Have `entry` come up at monotonic time `at`, and at no other."""
        entry.due = at
        heapq.heappush(self._queue, (at, next(self._order), entry))

    def come_up(self, now: float) -> Iterator[LeaseState]:
        """Yield the entries whose time has come; they stand in it no longer."""
        while self._queue and self._queue[0][0] <= now:
            due, _, entry = heapq.heappop(self._queue)
            if entry.due == due and not entry.removed:
                entry.due = None
                yield entry

    def next(self, otherwise: float) -> float:
        """Return when the next one comes up, at the latest `otherwise`."""
        return min(self._queue[0][0], otherwise) if self._queue else otherwise

    def clear(self) -> None:
        """Forget every plan."""
        self._queue.clear()
