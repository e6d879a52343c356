"""How late the machine itself was: processes that were ready to run and had no processor.

Four workers share two processors in CI. What a bound judges is the program, so the time that the
kernel kept the program, the gateway or the judge waiting is measured and taken off.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import threading
import time
from collections.abc import Iterable
from pathlib import Path

NANOSECONDS = 1e9


@dataclasses.dataclass(frozen=True)
class Moment:
    """When something began.

    Attributes:
        at: monotonic seconds.
        waits: seconds that each thread had waited for a processor by then.
    """

    at: float
    waits: dict[str, float]


@dataclasses.dataclass(frozen=True)
class Took:
    """How long something took.

    Attributes:
        passed: seconds.
        late: seconds of these in which the machine had no processor for who was to act.
    """

    passed: float
    late: float

    @property
    def judged(self) -> float:
        """Seconds that are not the machine's."""
        return self.passed - self.late


def moment(pids: Iterable[int]) -> Moment:
    """Return now, as the first threads of these processes and the calling thread see it."""
    return Moment(time.monotonic(), _waits(pids))


def since(began: Moment, pids: Iterable[int]) -> Took:
    """Return what passed since a moment; a process that was not there then has waited since its start."""
    passed = time.monotonic() - began.at
    late = sum(waited - began.waits.get(thread, 0.0) for thread, waited in _waits(pids).items())
    return Took(passed, min(late, passed))


def waited(pid: int | None) -> float:
    """Return the seconds that a process's first thread was ready to run and had no processor."""
    return _waited(f"{pid}/task/{pid}") or 0.0


def _waits(pids: Iterable[int]) -> dict[str, float]:
    # They act one after another: the gateway announces, the program asks, the gateway opens, the judge sees.
    threads = [f"{pid}/task/{pid}" for pid in pids]
    threads.append(f"{os.getpid()}/task/{threading.get_native_id()}")
    found = {thread: _waited(thread) for thread in threads}
    return {thread: seconds for thread, seconds in found.items() if seconds is not None}


def _waited(thread: str) -> float | None:
    # A process may be gone, and not every kernel counts.
    with contextlib.suppress(OSError):
        return int(Path("/proc", thread, "schedstat").read_text().split()[1]) / NANOSECONDS
    return None
