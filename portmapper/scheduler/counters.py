"""Counters for metrics: renewals, failures, the latest success."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from portmapper.api.errors import BackendError

NO_GATEWAY = "NoGateway"


class Counters:
    """Totals since the scheduler started.

    Attributes:
        renewals: renewed leases by backend.
        failures: failed rounds by the name of each error that a gateway returned.
        last_success: monotonic seconds of the latest grant, None before the first.
    """

    def __init__(self) -> None:
        self.renewals: Counter[str] = Counter()
        self.failures: Counter[str] = Counter()
        self.last_success: float | None = None

    def granted(self, backend: str, now: float, *, renewed: bool) -> None:
        """Count a grant."""
        self.last_success = now
        if renewed:
            self.renewals[backend] += 1

    def failed(self, errors: Iterable[BackendError]) -> None:
        """Count a round in which no gateway granted the mapping."""
        self.failures.update([type(error).__name__ for error in errors] or [NO_GATEWAY])
