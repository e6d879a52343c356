"""Continuous queries from the WAN host, and a record of outages."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable

from netlab.background import Background

PERIOD = 0.1
RETRY_AFTER = 0.01
PATIENCE = 1.0


@dataclasses.dataclass(frozen=True)
class Outage:
    """A period in which a port did not answer, on the monotonic clock.

    Attributes:
        began: time of the first failed query.
        sure: time of the last failed query, until which the port was certainly closed.
        ended: time of the next answer, or of the end of the measurement.
        late: seconds in which the daemon or the gateway waited for a processor.
    """

    began: float
    sure: float
    ended: float
    late: float = 0.0

    @property
    def length(self) -> float:
        """Length in seconds."""
        return self.ended - self.began


class Prober(Background):
    """Context that sends ten queries per second.

    miniupnpd removes its own rule for about 0.1 ms when PCP or NAT-PMP renews, so a failure counts
    only if a second query 10 ms later fails too.

    Attributes:
        requested: number of queries without second tries.
        outages: outages in order; complete after the context has ended.
    """

    def __init__(
        self,
        query: Callable[[], str | None],
        cpu_wait: Callable[[], float] = lambda: 0.0,
        is_blocked: Callable[[], bool] = lambda: False,
    ) -> None:
        """Create a prober.

        Args:
            query: sends a query; returns None without an answer.
            cpu_wait: returns the seconds so far in which the daemon or the gateway waited for a processor.
            is_blocked: returns whether the gateway waits for the kernel, which can need 0.1 s to commit
                rules while other labs start and stop; the second query waits for that.
        """
        self.requested = 0
        self.outages: list[Outage] = []
        self._query = query
        self._cpu_wait = cpu_wait
        self._is_blocked = is_blocked
        super().__init__("prober")

    def work(self) -> None:
        """Query until the context ends."""
        began: float | None = None
        failed_at = due = time.monotonic()
        late = self._cpu_wait()
        while not self.stopping.wait(max(0.0, due - time.monotonic())):
            queried_at = time.monotonic()
            self.requested += 1
            failed = self._failed()
            failed_at = failed or failed_at
            if failed and began is None:
                began = queried_at
            elif not failed and began is not None:
                self._record(began, failed_at, late)
                began = None
            if began is None:
                late = self._cpu_wait()
            due = queried_at + PERIOD
        if began is not None:
            self._record(began, failed_at, late)

    def _record(self, began: float, failed_at: float, late: float) -> None:
        # A restarted process starts its counter at 0.
        self.outages.append(Outage(began, failed_at, time.monotonic(), max(0.0, self._cpu_wait() - late)))

    def _failed(self) -> float | None:
        """Send a query, and a second one after a failure; return the time of the second if it failed too."""
        if self._query() is not None:
            return None
        self.stopping.wait(RETRY_AFTER)
        patient_until = time.monotonic() + PATIENCE
        while self._is_blocked() and time.monotonic() < patient_until:
            self.stopping.wait(RETRY_AFTER)
        queried_at = time.monotonic()
        return queried_at if self._query() is None else None
