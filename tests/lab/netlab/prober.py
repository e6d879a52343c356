"""A WAN host that never stops asking, and remembers every time that nobody answered."""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

PERIOD = 0.1
RETRY_AFTER = 0.01
PATIENCE = 1.0


@dataclasses.dataclass(frozen=True)
class Outage:
    """A time in which a port did not answer, on the monotonic clock.

    Attributes:
        began: seconds; when the first failed question was asked.
        sure: seconds; when the last failed question was asked, until when it was closed for sure.
        ended: seconds; when the next answer came, or the watch ended.
        late: seconds meanwhile in which those who renew were ready to run and had no processor.
    """

    began: float
    sure: float
    ended: float
    late: float = 0.0

    @property
    def length(self) -> float:
        """Seconds."""
        return self.ended - self.began


class Prober:
    """Asks ten times a second while it is entered.

    miniupnpd takes its own rule out for about 0.1 ms when PCP or NAT-PMP renew, so a failure counts
    only when a second question 10 ms later fails too.

    Attributes:
        asked: how many questions it put, second tries left out.
        outages: in order; complete once the watch has ended.
    """

    def __init__(
        self,
        ask: Callable[[], str | None],
        lateness: Callable[[], float] = lambda: 0.0,
        is_blocked: Callable[[], bool] = lambda: False,
    ) -> None:
        """Prepare.

        Args:
            ask: puts one question; None when nobody answered.
            lateness: seconds so far in which those who renew had to wait for a processor.
            is_blocked: tells whether the gateway waits for the kernel, which can take a tenth of a second to
                commit its rules while other labs come and go; the second question waits for that.
        """
        self.requested = 0
        self.outages: list[Outage] = []
        self._ask = ask
        self._lateness = lateness
        self._is_blocked = is_blocked
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="prober")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        began: float | None = None
        failed_at = due = time.monotonic()
        late = self._lateness()
        while not self._stop.wait(max(0.0, due - time.monotonic())):
            asked_at = time.monotonic()
            self.requested += 1
            failed = self._failed()
            failed_at = failed or failed_at
            if failed and began is None:
                began = asked_at
            elif not failed and began is not None:
                self._note(began, failed_at, late)
                began = None
            if began is None:
                late = self._lateness()
            due = asked_at + PERIOD
        if began is not None:
            self._note(began, failed_at, late)

    def _note(self, began: float, failed_at: float, late: float) -> None:
        # Who was started anew has waited for nothing before.
        self.outages.append(Outage(began, failed_at, time.monotonic(), max(0.0, self._lateness() - late)))

    def _failed(self) -> float | None:
        """Ask; when the second question was asked that nobody answered either, None when one was."""
        if self._ask() is not None:
            return None
        self._stop.wait(RETRY_AFTER)
        patient_until = time.monotonic() + PATIENCE
        while self._is_blocked() and time.monotonic() < patient_until:
            self._stop.wait(RETRY_AFTER)
        asked_at = time.monotonic()
        return asked_at if self._ask() is None else None
