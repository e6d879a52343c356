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


@dataclasses.dataclass(frozen=True)
class Outage:
    """A time in which a port did not answer, on the monotonic clock.

    Attributes:
        began: seconds; when the first failed question was asked.
        ended: seconds; when the next answer came, or the watch ended.
    """

    began: float
    ended: float

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

    def __init__(self, ask: Callable[[], str | None]) -> None:
        self.asked = 0
        self.outages: list[Outage] = []
        self._ask = ask
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
        due = time.monotonic()
        while not self._stop.wait(max(0.0, due - time.monotonic())):
            asked_at = time.monotonic()
            self.asked += 1
            answered = self._answers()
            if not answered and began is None:
                began = asked_at
            elif answered and began is not None:
                self.outages.append(Outage(began, time.monotonic()))
                began = None
            due = asked_at + PERIOD
        if began is not None:
            self.outages.append(Outage(began, time.monotonic()))

    def _answers(self) -> bool:
        if self._ask() is not None:
            return True
        self._stop.wait(RETRY_AFTER)
        return self._ask() is not None
