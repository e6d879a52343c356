"""Work on many mappings, a slice in each turn of the event loop."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator

SLICE = 250
"""Steps of one turn. A step takes up to 30 microseconds on a small machine, so a turn takes 8 ms."""

_END = object()


class Agenda:
    """Jobs in the order in which they came. None begins before the one before it has ended.

    So a new list is taken as a whole before anything that follows from it: no lease is released because its
    mapping had not been looked at yet. Answers of gateways are taken between two slices.
    """

    def __init__(self, ended: Callable[[], None]) -> None:
        """Start empty. `ended` is called whenever the last job has ended."""
        self._ended = ended
        self._jobs: deque[Iterator[None]] = deque()
        self._next: asyncio.Handle | None = None
        self._empty = asyncio.Event()
        self._empty.set()

    @property
    def busy(self) -> bool:
        """Whether a job waits or is under way."""
        return bool(self._jobs)

    def add(self, job: Iterator[None]) -> None:
        """Add a job. It begins now if there is no other, and a short one has ended on return."""
        self._jobs.append(job)
        if len(self._jobs) == 1:
            self._empty.clear()
            self._work()

    async def done(self) -> None:
        """Wait until every job has ended."""
        await self._empty.wait()

    def clear(self) -> None:
        """Drop every job, also one under way."""
        self._jobs.clear()
        self._empty.set()
        if self._next is not None:
            self._next.cancel()

    def _work(self) -> None:
        try:
            self._do_slice()
        finally:  # also after a fault in a job: it has ended then
            if self._jobs:
                self._next = asyncio.get_running_loop().call_soon(self._work)
            else:
                self._empty.set()
                self._ended()

    def _do_slice(self) -> None:
        for _ in range(SLICE):
            if not self._jobs:
                return
            if next(self._jobs[0], _END) is _END:
                self._jobs.popleft()
