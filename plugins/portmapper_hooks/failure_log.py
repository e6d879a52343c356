"""Decides which failures are new: a row for both protocols fails twice for one reason."""

from __future__ import annotations

from collections.abc import Hashable

from portmapper.api import Event, EventKind, Protocol
from portmapper_hooks.work_queue import row_key

MAX_KEPT = 1000

_Failure = tuple[EventKind, str, Protocol | None]


class FailureLog:
    """Remembers the failure of one half of a row until the other half is done."""

    def __init__(self) -> None:
        self._failures: dict[Hashable, _Failure] = {}

    def is_new(self, hook: Hashable, event: Event, problem: str) -> bool:
        """Return whether to log a failure, and remember it then."""
        key = (hook, row_key(event))
        kind, known, protocol = self._failures.get(key, (event.kind, "", None))
        if (kind, known) == (event.kind, problem) and protocol is not event.protocol:
            return False
        self._failures.pop(key, None)
        self._failures[key] = (event.kind, problem, event.protocol)
        if len(self._failures) > MAX_KEPT:
            del self._failures[next(iter(self._failures))]
        return True

    def done(self, hook: Hashable, event: Event) -> None:
        """Forget the failure of the other half: the next one is new."""
        key = (hook, row_key(event))
        if key in self._failures and self._failures[key][2] is not event.protocol:
            del self._failures[key]
