"""Limits for failed logins: of one address, and of all."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Hashable

PER_CLIENT = 5
TOTAL = 60
WINDOW = 60.0
"""Seconds in which so many logins may fail."""

MAX_CLIENTS = 1000


class LoginLimit:
    """Counts failed logins of the last minute."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._all: deque[float] = deque(maxlen=TOTAL)
        self._clients: dict[Hashable, deque[float]] = {}

    def wait(self, client: Hashable) -> int:
        """Return how many seconds a client has to wait before its next attempt; 0 if it may try now."""
        of_client = self._clients.get(client, deque())
        waits = [self._wait(of_client, PER_CLIENT), self._wait(self._all, TOTAL)]
        return max(waits)

    def fail(self, client: Hashable) -> None:
        """Count a failed login."""
        while len(self._clients) >= MAX_CLIENTS and client not in self._clients:
            del self._clients[next(iter(self._clients))]
        for attempts in (self._all, self._clients.setdefault(client, deque(maxlen=PER_CLIENT))):
            attempts.append(self._now())

    def _wait(self, attempts: deque[float], limit: int) -> int:
        while attempts and self._now() - attempts[0] >= WINDOW:
            attempts.popleft()
        return 0 if len(attempts) < limit else int(attempts[0] + WINDOW - self._now()) + 1
