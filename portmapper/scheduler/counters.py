"""Counts what the scheduler does, for those who measure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from portmapper.api.errors import BackendError

NO_GATEWAY = "NoGateway"


class Counters:
    """What happened since the start.

    Attributes:
        renewals: leases renewed, by backend.
        failures: rounds that opened nothing, by the name of each error that a gateway gave.
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
        """Count a round that nobody granted."""
        self.failures.update([type(error).__name__ for error in errors] or [NO_GATEWAY])
