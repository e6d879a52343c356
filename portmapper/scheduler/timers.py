"""When each mapping needs attention: its next attempt, or the end of its lease."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Iterator

from portmapper.api.model import MappingKey


class Timers:
    """A heap of deadlines. A mapping may be in it several times; only its current deadline counts."""

    def __init__(self, deadline_of: Callable[[MappingKey], float | None]) -> None:
        """Start empty. `deadline_of` returns a mapping's current deadline, in monotonic seconds."""
        # No table of deadlines beside the records: it would cost 0.2 KiB a mapping.
        self._deadline_of = deadline_of
        self._heap: list[tuple[float, int, MappingKey]] = []
        self._order = itertools.count()

    def add(self, key: MappingKey, at: float) -> None:
        """Note that the deadline of a mapping is now at `at`."""
        heapq.heappush(self._heap, (at, next(self._order), key))

    def due(self, now: float) -> Iterator[MappingKey]:
        """Yield the mappings whose deadline has come."""
        while self._heap and self._heap[0][0] <= now:
            at, _, key = heapq.heappop(self._heap)
            if self._deadline_of(key) == at:
                yield key

    def next(self, otherwise: float) -> float:
        """Return the earliest deadline, at the latest `otherwise`. It may be out of date, but never late."""
        return min(self._heap[0][0], otherwise) if self._heap else otherwise

    def clear(self) -> None:
        """Remove every deadline."""
        self._heap.clear()
