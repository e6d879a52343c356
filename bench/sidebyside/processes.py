"""What a running process has used so far, from `/proc`: nanoseconds instead of ticks, and all threads."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path


@dataclasses.dataclass(frozen=True)
class Used:
    """Use of a process since its start.

    Attributes:
        cpu: seconds of processor time.
        wakeups: times that a thread began to wait.
    """

    cpu: float
    wakeups: int


def used(pid: int) -> Used:
    """Return what a process has used."""
    nanoseconds = sum(int(text.split()[0]) for text in _of_each_thread(pid, "schedstat"))
    return Used(nanoseconds / 1e9, sum(map(_waits, _of_each_thread(pid, "status"))))


def resident(pid: int) -> float:
    """Return the resident memory of a process in MiB."""
    return _number(Path(f"/proc/{pid}/status").read_text(), "VmRSS") / 1024


def _waits(status: str) -> int:
    return _number(status, "voluntary_ctxt_switches")


def _of_each_thread(pid: int, name: str) -> Iterator[str]:
    for thread in Path(f"/proc/{pid}/task").iterdir():
        yield (thread / name).read_text()


def _number(status: str, name: str) -> int:
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith(f"{name}:"))
