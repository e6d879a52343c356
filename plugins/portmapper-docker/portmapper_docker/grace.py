"""Keeps what a container had while it restarts: for a moment, the engine does not list it as running."""

from __future__ import annotations

import time
from collections.abc import Sequence

import attrs

GRACE = 10.0
"""Seconds. Docker itself gives a container ten seconds to stop."""


@attrs.frozen
class Found:
    """A running container.

    Attributes:
        number: the engine's identifier; a container that is renamed keeps it.
        name: its name; a container that is created again keeps it.
        labels: its labels.
        ports: its published ports.
        address: the internal host of its ports; empty for this host.
    """

    number: str
    name: str
    labels: dict[str, str]
    ports: list[tuple[int, str]]
    address: str = ""


class Grace:
    """Remembers the containers that ran a moment ago.

    Attributes:
        seconds_left: until the first container that is gone is forgotten; 0 if none is gone.
    """

    def __init__(self) -> None:
        self._running: dict[str, Found] = {}
        self._gone: dict[str, tuple[Found, float]] = {}
        self.seconds_left = 0.0

    def keep(self, running: Sequence[Found]) -> list[Found]:
        """Return the containers that run, and behind them those that may be restarting."""
        now, names = time.monotonic(), {each.name for each in running}
        before, self._running = self._running, {each.number: each for each in running}
        gone = {number: (each, now) for number, each in before.items()} | self._gone
        self._gone = {
            number: (each, since)
            for number, (each, since) in gone.items()
            if number not in self._running and each.name not in names and now - since < GRACE
        }
        self.seconds_left = min((since + GRACE - now for _, since in self._gone.values()), default=0.0)
        return [*running, *(each for each, _ in self._gone.values())]
