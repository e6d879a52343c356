"""Durations and times as people write and read them: `90`, `15m`, `1h30m`; `59m 51s`."""

from __future__ import annotations

import contextlib
import re
from datetime import datetime

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}

_UNIT_OF = {
    word: unit
    for unit, words in {
        "s": "s sec secs second seconds",
        "m": "m min mins minute minutes",
        "h": "h hr hrs hour hours",
        "d": "d day days",
        "w": "w week weeks",
    }.items()
    for word in words.split()
}

EXAMPLES = "write seconds or a unit, such as 90, 90s, 15m, 1h or 7d"

_DURATION = r"(?:[0-9]{1,10}\s*[a-z]+\s*)+\Z"
_PART = r"([0-9]+)\s*([a-z]+)"
_MAX_DIGITS = 10


def parse_duration(text: str) -> int:
    """Parse seconds (`90`) or numbers with units (`90s`, `15 min`, `1h30m`, `7d`). Digits must be ASCII.

    Raises:
        ValueError: the text is not a duration; the message says what to write.
    """
    given = text.strip().lower()
    if given.isascii() and given.isdigit() and len(given) <= _MAX_DIGITS:
        return int(given)
    parts = re.findall(_PART, given) if re.match(_DURATION, given) else []
    if not parts or any(unit not in _UNIT_OF for _, unit in parts):
        raise ValueError(f"{text[:40]!r} is not a duration: {EXAMPLES}")
    return sum(int(number) * UNITS[_UNIT_OF[unit]] for number, unit in parts)


def format_duration(seconds: float) -> str:
    """Format a duration by its two largest units: `59m 51s`, `2h 0m`, `7d 0h`, `12s`."""
    left = max(int(seconds), 0)
    days, hours, minutes = left // 86_400, left // 3600 % 24, left // 60 % 60
    if days:
        return f"{days}d {hours}h"
    if hours:
        return f"{hours}h {minutes}m"
    return f"{minutes}m {left % 60}s" if minutes else f"{left}s"


def format_local(moment: datetime) -> str:
    """Format a moment in local time with its zone: `2026-11-28 10:24:43+01:00`.

    At the ends of the calendar, local time is no date: use UTC there.
    """
    with contextlib.suppress(ValueError, OverflowError, OSError):
        moment = moment.astimezone()
    return moment.isoformat(sep=" ", timespec="seconds")
