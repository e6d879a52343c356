"""A clock that only the test advances."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from portmapper.support.clock import Clock
from portmapper.support.wall_clock import LATEST

MAX_ITERATIONS = 1_000_000
"""Iterations of the event loop after which `settle` reports code that never waits."""


LATENESS = 1e-6
"""Seconds by which a timer fires late, as real timers do. Because of float rounding, a timer that fires
exactly on time may appear early to code that compares times, and that code would set it again forever."""


class FakeClock(Clock):
    """A clock that moves only with `advance`; within `driving`, it is also the time of the event loop.

    `asyncio.sleep`, `asyncio.timeout` and `loop.call_later` then use it too, so a test can skip hours.
    """

    longest_sleep = None

    def __init__(self, start: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        """Start at 1000 monotonic seconds and the wall-clock time `start`."""
        super().__init__()
        self._start = min(start, LATEST)
        self._seconds = 1000.0

    def monotonic(self) -> float:
        """Return the monotonic time in seconds."""
        return self._seconds

    def now(self) -> datetime:
        """Return the wall-clock time in UTC."""
        return self._start + timedelta(seconds=self._seconds - 1000.0)

    def set_wall(self, seconds: float) -> None:
        """Set the wall clock forward, or back if `seconds` is negative; monotonic time does not change."""
        self._start = min(self._start + timedelta(seconds=seconds), LATEST)

    async def sleep(self, seconds: float) -> None:
        """Skip `seconds` at once, like a suspended host; all due timers fire afterwards."""
        self._seconds += seconds
        await self.settle()

    @contextmanager
    def driving(self, loop: asyncio.AbstractEventLoop) -> Iterator[None]:
        """Use this clock as the time of the event loop within the context."""
        driven: Any = loop
        driven.time = self.monotonic
        try:
            yield
        finally:
            del driven.time

    async def advance(self, seconds: float) -> None:
        """Advance by `seconds`; fire each timer at its time, and run what it starts until that waits."""
        target = self._seconds + seconds
        await self.settle()
        while (due := _next_timer()) is not None and due <= target:
            self._seconds = max(self._seconds, due + LATENESS)
            await self.settle()
        self._seconds = max(self._seconds, target)
        await self.settle()

    async def settle(self) -> None:
        """Run all tasks until every one of them waits.

        Raises:
            AssertionError: a task runs forever without waiting.
        """
        for _ in range(MAX_ITERATIONS):
            await asyncio.sleep(0)
            if not _loop()._ready:
                return
        raise AssertionError("a task runs forever without waiting")


def _loop() -> Any:
    # asyncio has no public API for its ready callbacks and scheduled timers.
    return asyncio.get_running_loop()


def _next_timer() -> float | None:
    return min((timer.when() for timer in _loop()._scheduled if not timer.cancelled()), default=None)
