"""Notices that the event loop was blocked, or that the scheduler has stopped."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

PERIOD = 15.0
"""Seconds between two looks; each one wakes an idle daemon."""

LATE = 5.0
"""Seconds by which a scheduler that works is never late."""

BLOCKED = 10.0
"""Seconds without the event loop that are worth a report."""

REPORTED = 4
"""Looks after which a blocked event loop that runs again is no longer reported."""

OVERDUE = 4
"""Looks in a row that find the scheduler late, before this is a problem. Looks are counted and not seconds,
because after a suspend everything is late for a moment."""

STUCK = 12
"""Looks in a row after which the watchdog gets no ping, so that the service manager restarts the daemon."""

_log = logging.getLogger(__name__)


class Pulse:
    """Looks at the event loop and at the scheduler.

    Attributes:
        is_stuck: only a restart can help.
    """

    def __init__(
        self, lateness: Callable[[], float], monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        """Prepare.

        Args:
            lateness: returns by how many seconds the scheduler misses its next round.
            monotonic: a clock that stops while the system is suspended.
        """
        self._lateness = lateness
        self._monotonic = monotonic
        self._late = 0
        self._blocked = 0.0
        self._looks_left = 0

    @property
    def is_stuck(self) -> bool:
        """Whether the scheduler has stopped for so long that only a restart can help."""
        return self._late >= STUCK

    @property
    def problems(self) -> dict[str, str | None]:
        """What is wrong, by part."""
        late = f"the scheduler has stopped for {self._late * PERIOD:.0f} s: leases are not renewed"
        return {
            "event loop": _did_not_run(self._blocked) if self._looks_left else None,
            "scheduler rounds": late if self._late >= OVERDUE else None,
        }

    async def run(self) -> None:
        """Look again and again, until canceled."""
        while True:
            before = self._monotonic()
            await asyncio.sleep(PERIOD)
            self.look(self._monotonic() - before - PERIOD)

    def look(self, blocked: float) -> None:
        """Look once; the event loop was `blocked` for so many seconds before."""
        self._looks_left = max(0, self._looks_left - 1)
        if blocked >= BLOCKED:
            self._blocked, self._looks_left = blocked, REPORTED
            _log.warning("%s: the process was stopped, or the system is overloaded", _did_not_run(blocked))
        self._late = self._late + 1 if self._lateness() > LATE else 0


def _did_not_run(seconds: float) -> str:
    return f"the event loop did not run for {seconds:.0f} s"
