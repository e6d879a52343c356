"""Time in which processes were ready to run but had no processor.

Four workers share two processors in CI. The limits apply to the program, so the time that the
program or the gateway waited for a processor is measured and subtracted.
"""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Iterable
from pathlib import Path

NANOSECONDS = 1e9


@dataclasses.dataclass(frozen=True)
class StartMark:
    """Start of a measurement.

    Attributes:
        at: monotonic seconds.
        waits: seconds that each process had waited for a processor.
    """

    at: float
    waits: dict[int, float]


@dataclasses.dataclass(frozen=True)
class Elapsed:
    """Result of a measurement.

    Attributes:
        total: seconds since the start.
        late: seconds of these in which the processes waited for a processor.
    """

    total: float
    late: float

    @property
    def net(self) -> float:
        """Seconds without the waiting time."""
        return self.total - self.late


def mark(pids: Iterable[int]) -> StartMark:
    """Start a measurement for these processes."""
    return StartMark(time.monotonic(), _waits(pids))


def since(began: StartMark, pids: Iterable[int]) -> Elapsed:
    """Return the time since a start; a newer process has waited since it started."""
    total = time.monotonic() - began.at
    # They act one after the other: the gateway announces, the program requests, the gateway opens.
    late = sum(waits - began.waits.get(pid, 0.0) for pid, waits in _waits(pids).items())
    return Elapsed(total, min(late, total))


def cpu_wait(pid: int | None) -> float:
    """Return the seconds that a process's first thread has waited for a processor."""
    return _waited(pid) or 0.0


def is_blocked(pid: int | None) -> bool:
    """Return whether a process is in uninterruptible sleep, waiting for the kernel."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "D"
    return False


def _waits(pids: Iterable[int]) -> dict[int, float]:
    return {pid: seconds for pid in pids if (seconds := _waited(pid)) is not None}


def _waited(pid: int | None) -> float | None:
    # The process may have ended, and not every kernel has these statistics.
    with contextlib.suppress(OSError):
        schedstat = Path(f"/proc/{pid}/task/{pid}/schedstat").read_text()
        return int(schedstat.split()[1]) / NANOSECONDS
    return None
