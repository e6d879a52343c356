"""A limit on received packets."""

from __future__ import annotations

PER_SECOND = 200
"""Datagrams accepted in a second from the gateway, and as many from all other senders together."""


class Budget:
    """A limit on packets for each second, so that a flood costs no more than dropping it."""

    def __init__(self, per_second: int = PER_SECOND) -> None:
        self._per_second = per_second
        self._second = 0
        self._count = 0

    def allows(self, now: float) -> bool:
        """Count a packet at `now` (in seconds); tell whether it is within the limit."""
        if int(now) != self._second:
            self._second, self._count = int(now), 0
        self._count += 1
        return self._count <= self._per_second
