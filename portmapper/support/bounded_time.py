"""Lets the library work at times after 2262: Python counts nanoseconds in 64 bits, and raises an error."""

from __future__ import annotations

import time

LATEST_SECONDS = 221_845_392_000.0
"""The year 9000, as `wall_clock.LATEST`."""

_seconds = time.time
_nanoseconds = time.time_ns


def bounded_time() -> float:
    """Return the wall-clock time in seconds, at most `LATEST_SECONDS`."""
    try:
        return min(_seconds(), LATEST_SECONDS)
    except OverflowError:
        return LATEST_SECONDS


def bounded_time_ns() -> int:
    """Return the wall-clock time in nanoseconds, at most `LATEST_SECONDS`."""
    latest = int(LATEST_SECONDS) * 10**9
    try:
        return min(_nanoseconds(), latest)
    except OverflowError:
        return latest


def bound_time() -> None:
    """Replace `time.time`: otherwise, each record of the log and each HTTP date would be an exception.

    From Python 3.13 on, the log uses `time.time_ns`.
    """
    time.time = bounded_time
    time.time_ns = bounded_time_ns
