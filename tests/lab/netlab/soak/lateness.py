"""How late the machine itself was: processes that were ready to run and had no processor.

Four workers share two processors in CI. What a bound judges is the program, so the time that the
kernel kept the program or the gateway waiting is measured and taken off.
"""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Iterable
from pathlib import Path

NANOSECONDS = 1e9


@dataclasses.dataclass(frozen=True)
class Moment:
    """When something began.

    Attributes:
        at: monotonic seconds.
        waits: seconds that each process had waited for a processor by then.
    """

    at: float
    waits: dict[int, float]


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
    """Return now, as these processes see it."""
    return Moment(time.monotonic(), _waits(pids))


def since(began: Moment, pids: Iterable[int]) -> Took:
    """Return what passed since a moment; a process that was not there then has waited since its start."""
    passed = time.monotonic() - began.at
    # They act in turn: the gateway announces, the program asks, the gateway opens.
    late = sum(waits - began.waits.get(pid, 0.0) for pid, waits in _waits(pids).items())
    return Took(passed, min(late, passed))


def waited(pid: int | None) -> float:
    """Return the seconds that a process's first thread was ready to run and had no processor."""
    return _waited(pid) or 0.0


def is_blocked(pid: int | None) -> bool:
    """Tell whether a process waits for the kernel itself, and not for anything to do."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "D"
    return False


def _waits(pids: Iterable[int]) -> dict[int, float]:
    return {pid: seconds for pid in pids if (seconds := _waited(pid)) is not None}


def _waited(pid: int | None) -> float | None:
    # A process may be gone, and not every kernel counts.
    with contextlib.suppress(OSError):
        schedstat = Path(f"/proc/{pid}/task/{pid}/schedstat").read_text()
        return int(schedstat.split()[1]) / NANOSECONDS
    return None
