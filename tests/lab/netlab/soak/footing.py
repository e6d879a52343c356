"""What a daemon that waits has of the system: tasks, descriptors, memory."""

from __future__ import annotations

import dataclasses
import json
import signal
import time
from collections import Counter
from pathlib import Path

from netlab.keeping import Kept

PAUSE = 1.0
LIMIT = 80.0
"""Seconds; what was opened for a former address is searched for until its lease ends, a minute later."""


@dataclasses.dataclass(frozen=True)
class Footing:
    """What it had at one moment.

    Attributes:
        tasks: the names of its tasks, in order.
        descriptors: how many files and sockets were open.
        memory: resident, in KiB; it does not count when two are compared.
    """

    tasks: tuple[str, ...]
    descriptors: int
    memory: int = dataclasses.field(compare=False)

    def has_grown(self, before: Footing) -> bool:
        """Tell whether there is more than before; a connection that was idle then may have ended."""
        return self.descriptors > before.descriptors or bool(Counter(self.tasks) - Counter(before.tasks))


def footing(kept: Kept, told: Path) -> Footing:
    """Return what the daemon has now; it runs by `counted.py` and tells its tasks to `told`."""
    told.unlink(missing_ok=True)
    kept.running.process.send_signal(signal.SIGUSR2)
    kept.until(told.exists, "told its tasks")
    return Footing(tuple(json.loads(told.read_text())), kept.descriptors(), kept.memory())


def at_rest(kept: Kept, told: Path) -> Footing:
    """Return what it has twice in a row, a second apart."""
    deadline = time.monotonic() + LIMIT
    had, now = None, footing(kept, told)
    while now != had and time.monotonic() < deadline:
        time.sleep(PAUSE)
        had, now = now, footing(kept, told)
    return now


def back_to(before: Footing, kept: Kept, told: Path) -> Footing:
    """Return what it has, as soon as that is no more than it had before."""
    deadline = time.monotonic() + LIMIT
    while (now := footing(kept, told)).has_grown(before) and time.monotonic() < deadline:
        time.sleep(PAUSE / 4)
    return now
