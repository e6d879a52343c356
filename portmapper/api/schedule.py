"""Schedules: when a row is open, by weekday and local time, such as `Mon-Fri 08:00-12:00,13:00-18:00`.

A moment is inside if the local clock shows a day and time of the schedule. So a window that daylight saving
skips is not open that day, and a repeated hour is open twice.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import lru_cache

from portmapper.api.errors import quoted
from portmapper.support.values import frozen

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
EVERY_DAY = "daily"
HINT = "write days and local times, such as 'Sat,Sun 18:00-23:59' or 'Mon-Fri 08:00-12:00,13:00-18:00'"
LONGEST = 1000
"""Characters of a schedule."""

HORIZON = 16
"""Days to search for the next change: two weeks, because daylight saving may skip the only window of one."""

_DAY = 24 * 60
_ENTRY = r"(?a)(?:(?P<days>[A-Za-z][A-Za-z, -]*?)\s+)?(?P<times>[0-9][0-9:, -]*)\Z"
_TIMES = r"(?a)([0-9]{1,2}):([0-9]{2})\s*-\s*([0-9]{1,2}):([0-9]{2})\Z"


@frozen
class Window:
    """A part of a schedule.

    Attributes:
        days: weekdays on which it begins, 0 for Monday.
        start: minute of the day.
        end: minute of the day, after `start`; more than a day's minutes if it ends on the next day.
    """

    days: frozenset[int]
    start: int
    end: int

    def contains(self, local: datetime) -> bool:
        """Return whether the local clock shows a time of the window."""
        minute = local.hour * 60 + local.minute
        today = local.weekday() in self.days and self.start <= minute < self.end
        return today or ((local.weekday() - 1) % 7 in self.days and minute + _DAY < self.end)


def canonical_schedule(entries: Sequence[str]) -> str:
    """Check a schedule, whose parts may also be separated by semicolons, and return it as one text.

    Raises:
        ValueError: it is invalid; the message says what to write.
    """
    text = "; ".join(" ".join(part.split()) for entry in entries for part in entry.split(";") if part.strip())
    if len(text) > LONGEST:
        raise ValueError(f"is longer than {LONGEST} characters")
    if not parse_schedule(text):
        raise ValueError(f"is empty: {HINT}")
    return text


@lru_cache(maxsize=256)
def parse_schedule(text: str) -> tuple[Window, ...]:
    """Parse a schedule. Raises `ValueError` with what to write."""
    return tuple(window for part in text.split(";") if part.strip() for window in _windows(part.strip()))


def is_inside(windows: Sequence[Window], moment: datetime, zone: tzinfo | None = None) -> bool:
    """Return whether a moment is inside; `zone` is None for this host's time zone."""
    local = moment.astimezone(zone)
    return any(window.contains(local) for window in windows)


@lru_cache(maxsize=256)
def next_change(windows: Sequence[Window], now: datetime, zone: tzinfo | None = None) -> datetime | None:
    """Return when the next window begins or the current one ends; None if that is not in sight."""
    inside = is_inside(windows, now, zone)
    moments = sorted({moment for moment in _boundaries(windows, now, zone) if moment > now})
    return next((moment for moment in moments if is_inside(windows, moment, zone) is not inside), None)


def _boundaries(windows: Sequence[Window], now: datetime, zone: tzinfo | None) -> Iterator[datetime]:
    """Yield every moment at which the answer may change."""
    today = now.astimezone(zone).date()
    minutes = {minute % _DAY for window in windows for minute in (window.start, window.end)}
    for number in range(-1, HORIZON):
        day = today + timedelta(days=number)
        for minute in minutes:
            # A time that daylight saving repeats has two moments.
            yield _instant(day, minute, 0, zone)
            yield _instant(day, minute, 1, zone)
        yield from _clock_changes(_instant(day, 0, 0, zone), zone)


def _instant(day: date, minute: int, fold: int, zone: tzinfo | None) -> datetime:
    local = datetime.combine(day, time(minute // 60, minute % 60, fold=fold), zone)
    return local.astimezone(UTC)


def _clock_changes(start: datetime, zone: tzinfo | None) -> Iterator[datetime]:
    """Yield the minute after `start` in which the local clock is set within a day, if there is one."""

    def offset(minutes: int) -> timedelta | None:
        return (start + timedelta(minutes=minutes)).astimezone(zone).utcoffset()

    low, high = 0, _DAY
    if offset(low) == offset(high):
        return
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if offset(middle) == offset(low) else (low, middle)
    yield start + timedelta(minutes=high)


def _windows(part: str) -> Iterator[Window]:
    # Text editors replace a hyphen between numbers by a dash.
    found = re.match(_ENTRY, re.sub("[\u2010-\u2015\u2212]", "-", part))
    if found is None:
        raise ValueError(f"{quoted(part)} is not a schedule: {HINT}")
    days = frozenset(_days(found["days"] or EVERY_DAY, part))
    for text in found["times"].split(","):
        start, end = _times(text.strip(), part)
        yield Window(days, start, end if end > start else end + _DAY)


def _days(text: str, part: str) -> Iterator[int]:
    if text.strip().lower() == EVERY_DAY:
        yield from range(7)
        return
    for name in text.split(","):
        first, dash, last = (word.strip().capitalize() for word in name.partition("-"))
        if first not in DAYS or (dash and last not in DAYS):
            raise ValueError(f"{quoted(part)}: {quoted(name.strip())} is not a day; the days are {_NAMES}")
        start = DAYS.index(first)
        count = (DAYS.index(last) - start) % 7 if dash else 0
        yield from ((start + number) % 7 for number in range(count + 1))


def _times(text: str, part: str) -> tuple[int, int]:
    found = re.match(_TIMES, text)
    if found is None:
        raise ValueError(f"{quoted(part)}: {quoted(text)} is not a range of times; {HINT}")
    start, end = (int(hour) * 60 + int(minute) for hour, minute in (found.group(1, 2), found.group(3, 4)))
    valid = start < _DAY and end <= _DAY and max(int(found[2]), int(found[4])) < 60
    if not valid or start == end:
        whole = "; write 00:00-24:00 for a whole day" if start == end else "; the last one is 24:00"
        raise ValueError(f"{quoted(part)}: {quoted(text)} is not a range of times{whole}")
    return start, end


_NAMES = ", ".join((*DAYS, EVERY_DAY))
