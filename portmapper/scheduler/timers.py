"""When each mapping needs attention: its next attempt, or the end of its lease."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterator

from portmapper.api.model import MappingKey


class Timers:
    """A heap of deadlines. A mapping may be in it several times; only its latest deadline counts."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, MappingKey]] = []
        self._deadlines: dict[MappingKey, float] = {}
        self._order = itertools.count()

    def set(self, key: MappingKey, at: float | None) -> bool:
        """Set the deadline of a mapping in monotonic seconds; None removes it. Return whether it changed."""
        if self._deadlines.get(key) == at:
            return False
        if at is None:
            self._deadlines.pop(key, None)
        else:
            self._deadlines[key] = at
            heapq.heappush(self._heap, (at, next(self._order), key))
        return True

    def due(self, now: float) -> Iterator[MappingKey]:
        """Yield and remove the mappings whose deadline has come."""
        while self._heap and self._heap[0][0] <= now:
            at, _, key = heapq.heappop(self._heap)
            if self._deadlines.get(key) == at:
                del self._deadlines[key]
                yield key

    def next(self, otherwise: float) -> float:
        """Return the earliest deadline, at the latest `otherwise`."""
        return min(self._heap[0][0], otherwise) if self._heap else otherwise

    def clear(self) -> None:
        """Remove every deadline."""
        self._heap.clear()
        self._deadlines.clear()
