"""The clock of the core. Tests replace it with one that they advance."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime


class Clock:
    """The real clock: a monotonic clock for timers, the wall clock for dates."""

    def monotonic(self) -> float:
        """Return monotonic seconds, including suspended time if the system can report it.

        CLOCK_MONOTONIC on Linux stops during suspend, so a lease would seem younger than it is.
        """
        return (
            time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()
        )

    def now(self) -> datetime:
        """Return the wall-clock time in UTC."""
        return datetime.now(UTC)

    async def wait(self, event: asyncio.Event, seconds: float | None) -> bool:
        """Wait at most `seconds` until `event` is set, and return whether it was set."""
        try:
            async with asyncio.timeout(seconds):
                await event.wait()
        except TimeoutError:
            return False
        return True
