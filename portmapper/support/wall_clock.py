"""The wall clock as a date."""

from __future__ import annotations

from datetime import UTC, datetime

LATEST = datetime(9000, 1, 1, tzinfo=UTC)
"""Where the wall clock stops: its sum with the longest lease, and its local time, must be dates too."""


def wall_now() -> datetime:
    """Return the wall-clock time in UTC, which may be wrong, but is a date at which a lease can begin."""
    try:
        now = datetime.now(UTC)
    except (OverflowError, ValueError):  # Python cannot tell times after 2262, and no dates after 9999
        return LATEST
    return now if now.year < LATEST.year else LATEST
