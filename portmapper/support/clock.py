"""The clock of the core. Tests replace it with one that they advance."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterator
from datetime import datetime

from portmapper.support.wall_clock import wall_now

LONGEST_SLEEP = 60.0
"""Seconds until a wait looks at the clock although the kernel reports every jump."""


class Clock:
    """The real clock: a monotonic clock for timers, the wall clock for dates.

    Attributes:
        longest_sleep: seconds until `wait` looks at the clock again; None if timers need no second look.
    """

    # The timers of the event loop stop while the system is suspended, and CLOCK_BOOTTIME does not.
    longest_sleep: float | None = 4.0

    def __init__(self) -> None:
        self._waits: set[asyncio.Timeout] = set()

    def monotonic(self) -> float:
        """Return monotonic seconds, including suspended time if the system can report it.

        CLOCK_MONOTONIC on Linux stops during suspend, so a lease would seem younger than it is.
        """
        try:
            return time.clock_gettime(time.CLOCK_BOOTTIME)
        except (AttributeError, OSError):  # not on this system, or a sandbox forbids it
            return time.monotonic()

    def now(self) -> datetime:
        """Return the wall-clock time in UTC, which may be wrong, but is a date at which a lease can begin."""
        return wall_now()

    async def wait(self, event: asyncio.Event, seconds: float | None) -> bool:
        """Wait at most `seconds` until `event` is set, and return whether it was set.

        Suspended time counts: after a suspend, this returns at once if `watch` runs and the kernel reports
        it, else within `longest_sleep` seconds.
        """
        deadline = None if seconds is None else self.monotonic() + seconds
        while True:
            left = None if deadline is None else deadline - self.monotonic()
            if left is not None and self.longest_sleep is not None and left > self.longest_sleep:
                # All waits look at multiples of it, so an idle process wakes once for all of them.
                left = self.longest_sleep - self.monotonic() % self.longest_sleep
            try:
                async with asyncio.timeout(left) as timeout:
                    with self._listed(timeout):
                        return await event.wait()
            except TimeoutError:
                if deadline is not None and self.monotonic() >= deadline:
                    return False

    async def watch(self) -> None:
        """Let all waits look at the clock after each suspend, until canceled."""
        before = self.longest_sleep
        from portmapper.support.clock_jumps import watching_jumps  # a single pass does not watch

        with watching_jumps(self._look_again) as are_reported:
            try:
                if are_reported:
                    self.longest_sleep = LONGEST_SLEEP
                await asyncio.Event().wait()
            finally:
                self.longest_sleep = before

    @contextlib.contextmanager
    def _listed(self, timeout: asyncio.Timeout) -> Iterator[None]:
        self._waits.add(timeout)
        try:
            yield
        finally:
            self._waits.discard(timeout)

    def _look_again(self) -> None:
        now = asyncio.get_running_loop().time()
        for timeout in self._waits:
            if not timeout.expired():
                timeout.reschedule(now)
