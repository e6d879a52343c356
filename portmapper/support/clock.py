"""Time as the core sees it, so that tests can turn the clock by hand."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime


class Clock:
    """The real clock: timers by a clock that never jumps, dates by the wall."""

    def monotonic(self) -> float:
        """Return seconds that only grow; they include time asleep where the system can tell.

        Linux's CLOCK_MONOTONIC stands still in suspend, so a lease would seem younger than it is.
        """
        return (
            time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()
        )

    def now(self) -> datetime:
        """Return the wall-clock time, in UTC."""
        return datetime.now(UTC)

    async def wait(self, event: asyncio.Event, seconds: float | None) -> bool:
        """Wait until `event` is set, at most `seconds`; tell whether it was set."""
        try:
            async with asyncio.timeout(seconds):
                await event.wait()
        except TimeoutError:
            return False
        return True
