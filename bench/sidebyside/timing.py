"""Times what is to be compared in turns, so that whatever else the machine does hits all alike."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence

LIMIT = 300.0
"""Seconds that one process may take."""


def in_turns(times: int, actions: Mapping[str, Callable[[], float]]) -> dict[str, float]:
    """Return the best figure of each action after `times` turns of all."""
    figures: dict[str, list[float]] = {name: [] for name in actions}
    for _ in range(times):
        for name, action in actions.items():
            figures[name].append(action())
    return {name: min(found) for name, found in figures.items()}


def process_time(command: Sequence[str], expected: Sequence[int] = (0,)) -> float:
    """Run a process to its end and return the milliseconds that it took.

    Raises:
        RuntimeError: it ended with another exit status: the figure would mean nothing.
    """
    started = time.perf_counter()
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, timeout=LIMIT, env=_environment()
    )
    taken = (time.perf_counter() - started) * 1000
    if done.returncode not in expected:
        raise RuntimeError(f"{' '.join(command)}: exit {done.returncode}: {done.stderr[-2000:]}")
    return taken


def told(command: Sequence[str]) -> float:
    """Run a process that measures by itself, and return the figure on its last line."""
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, timeout=LIMIT, env=_environment()
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: exit {done.returncode}: {done.stderr[-2000:]}")
    return float(done.stdout.split()[-1])


def _environment() -> dict[str, str]:
    """Keep the peers out of our way: a plugin switched off for one would be missed by the other."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PORTMAPPER_")}
