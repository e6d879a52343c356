"""A clock that a test turns by hand."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from portmapper.support.clock import Clock

LONGEST_SETTLING = 1_000_000
"""Turns of the event loop after which work that never ends is called so."""


LATENESS = 1e-6
"""Seconds after its time that a timer fires, as it does in life. One that fires early by what a float cannot
tell would be set again and again by whoever compares."""


class FakeClock(Clock):
    """Stands still until `advance`; within `driving` it is the time of the event loop, too.

    So `asyncio.sleep`, `asyncio.timeout` and `loop.call_later` obey it as `wait` does, and an hour passes
    in no time at all.
    """

    def __init__(self, start: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        """Begin at 1000 monotonic seconds, with `start` on the wall."""
        self._start = start
        self._seconds = 1000.0

    def monotonic(self) -> float:
        """Return the seconds turned so far."""
        return self._seconds

    def now(self) -> datetime:
        """Return the wall-clock time, in UTC."""
        return self._start + timedelta(seconds=self._seconds - 1000.0)

    def set_wall(self, seconds: float) -> None:
        """Put the wall clock forward, or back where `seconds` is negative; no time passes."""
        self._start += timedelta(seconds=seconds)

    async def sleep(self, seconds: float) -> None:
        """Let `seconds` pass in one go, as on a host that is suspended; every timer fires afterwards."""
        self._seconds += seconds
        await self.settle()

    @contextmanager
    def driving(self, loop: asyncio.AbstractEventLoop) -> Iterator[None]:
        """Be the loop's time while the context lasts."""
        driven: Any = loop
        driven.time = self.monotonic
        try:
            yield
        finally:
            del driven.time

    async def advance(self, seconds: float) -> None:
        """Let `seconds` pass; every timer fires at its time, and what it starts runs until it waits."""
        target = self._seconds + seconds
        await self.settle()
        while (due := _next_timer()) is not None and due <= target:
            self._seconds = max(self._seconds, due + LATENESS)
            await self.settle()
        self._seconds = max(self._seconds, target)
        await self.settle()

    async def settle(self) -> None:
        """Let all that can run without time passing run.

        Raises:
            AssertionError: it never comes to rest.
        """
        for _ in range(LONGEST_SETTLING):
            await asyncio.sleep(0)
            if not _loop()._ready:
                return
        raise AssertionError("something runs for ever without waiting")


def _loop() -> Any:
    # asyncio has no public question for what is ready and what is scheduled.
    return asyncio.get_running_loop()


def _next_timer() -> float | None:
    return min((timer.when() for timer in _loop()._scheduled if not timer.cancelled()), default=None)
