"""Timing of alternating runs, so that other load on the machine affects all of them."""

from __future__ import annotations

import os
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Self

LIMIT = 300.0
"""Time limit of a process in seconds."""


class Median(float):
    """The median of several runs.

    Attributes:
        low, high: the smallest and the largest value.
    """

    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Self:
        """Return the median of some values."""
        median = cls(statistics.median(values))
        median.low, median.high = min(values), max(values)
        return median


def medians_of(times: int, actions: Mapping[str, Callable[[], float]]) -> dict[str, Median]:
    """Run all actions alternately `times` times, and return the median of each."""
    figures: dict[str, list[float]] = {name: [] for name in actions}
    for _ in range(times):
        for name, action in actions.items():
            figures[name].append(action())
    return {name: Median.of(found) for name, found in figures.items()}


def process_time(command: Sequence[str], expected: Sequence[int] = (0,)) -> float:
    """Run a process, and return its duration in milliseconds.

    Raises:
        RuntimeError: the exit status is unexpected, so the duration is meaningless.
    """
    started = time.perf_counter()
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, timeout=LIMIT, env=_environment()
    )
    elapsed = (time.perf_counter() - started) * 1000
    if done.returncode not in expected:
        raise RuntimeError(f"{' '.join(command)}: exit {done.returncode}: {done.stderr[-2000:]}")
    return elapsed


def printed_figure(command: Sequence[str]) -> float:
    """Run a process that measures itself, and return the number on its last line."""
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, timeout=LIMIT, env=_environment()
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: exit {done.returncode}: {done.stderr[-2000:]}")
    return float(done.stdout.split()[-1])


def _environment() -> dict[str, str]:
    """Return the environment without portmapper's variables, which would change the comparison."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PORTMAPPER_")}
