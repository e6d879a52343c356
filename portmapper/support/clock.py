"""The clock of the core. Tests replace it with one that they advance."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime


class Clock:
    """The real clock: a monotonic clock for timers, the wall clock for dates.

    Attributes:
        longest_sleep: seconds until `wait` looks at the clock again; None if timers need no second look.
    """

    # The timers of the event loop stop while the system is suspended, and CLOCK_BOOTTIME does not.
    longest_sleep: float | None = 4.0

    def monotonic(self) -> float:
        """Return monotonic seconds, including suspended time if the system can report it.

        CLOCK_MONOTONIC on Linux stops during suspend, so a lease would seem younger than it is.
        """
        try:
            return time.clock_gettime(time.CLOCK_BOOTTIME)
        except (AttributeError, OSError):  # not on this system, or a sandbox forbids it
            return time.monotonic()

    def now(self) -> datetime:
        """Return the wall-clock time in UTC."""
        return datetime.now(UTC)

    async def wait(self, event: asyncio.Event, seconds: float | None) -> bool:
        """Wait at most `seconds` until `event` is set, and return whether it was set.

        Suspended time counts: after a suspend, this returns within `longest_sleep` seconds.
        """
        deadline = None if seconds is None else self.monotonic() + seconds
        while True:
            left = None if deadline is None else deadline - self.monotonic()
            if left is not None and self.longest_sleep is not None:
                # All waits look at multiples of it, so an idle process wakes once for all of them.
                left = min(left, self.longest_sleep - self.monotonic() % self.longest_sleep)
            try:
                async with asyncio.timeout(left):
                    return await event.wait()
            except TimeoutError:
                if deadline is not None and self.monotonic() >= deadline:
                    return False
