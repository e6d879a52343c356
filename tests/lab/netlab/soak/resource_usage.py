"""Resources of an idle daemon: tasks, descriptors, memory."""

from __future__ import annotations

import dataclasses
import json
import signal
import time
from collections import Counter
from pathlib import Path

from netlab.managed_daemon import ManagedDaemon

PAUSE = 1.0
LIMIT = 80.0
"""Seconds; leases for a former address are tracked until they expire, after up to a minute."""

_SUBSCRIPTION, _GATEWAYS = "Subscription._keep", 2
"""A UPnP gateway that is used only later is subscribed to then. There are two of them, and each subscription
has a socket that listens."""


@dataclasses.dataclass(frozen=True)
class ResourceUsage:
    """Resources of a daemon at one time.

    Attributes:
        tasks: sorted names of its asyncio tasks.
        descriptors: number of open files and sockets.
        memory: resident memory in KiB; ignored in comparisons.
    """

    tasks: tuple[str, ...]
    descriptors: int
    memory: int = dataclasses.field(compare=False)

    def has_grown(self, before: ResourceUsage) -> bool:
        """Return whether tasks or descriptors have increased; idle connections may have closed."""
        more = Counter(self.tasks) - Counter(before.tasks)
        expected = min(more.pop(_SUBSCRIPTION, 0), _GATEWAYS)
        return self.descriptors > before.descriptors + expected or bool(more)


def measure(managed: ManagedDaemon, tasks_file: Path) -> ResourceUsage:
    """Return the daemon's current resources; `task_dump.py` writes its tasks to `tasks_file`."""
    tasks_file.unlink(missing_ok=True)
    managed.running.process.send_signal(signal.SIGUSR2)
    managed.until(tasks_file.exists, "wrote its tasks")
    return ResourceUsage(tuple(json.loads(tasks_file.read_text())), managed.descriptors(), managed.memory())


def measure_at_rest(managed: ManagedDaemon, tasks_file: Path) -> ResourceUsage:
    """Return the resources once two measurements in a row are equal."""
    deadline = time.monotonic() + LIMIT
    had, now = None, measure(managed, tasks_file)
    while now != had and time.monotonic() < deadline:
        time.sleep(PAUSE)
        had, now = now, measure(managed, tasks_file)
    return now


def measure_after_return(before: ResourceUsage, managed: ManagedDaemon, tasks_file: Path) -> ResourceUsage:
    """Return the resources once they are no more than before, or after the limit."""
    deadline = time.monotonic() + LIMIT
    while (now := measure(managed, tasks_file)).has_grown(before) and time.monotonic() < deadline:
        time.sleep(PAUSE / 4)
    return now
