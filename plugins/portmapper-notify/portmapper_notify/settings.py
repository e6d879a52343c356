"""The table `[plugin.notify]`."""

from __future__ import annotations

import re
from datetime import time

import attrs

from portmapper.api import READ, nearest, quoted
from portmapper.support.duration import parse_duration

MAX_URLS = 16
KINDS = ("closed", "open", "address", "cgnat", "list")
_HOURS = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)")

Hours = tuple[time, time]


def _texts(value: object) -> tuple[str, ...]:
    texts = value.split() if isinstance(value, str) else value
    if not isinstance(texts, list) or not all(isinstance(text, str) and text for text in texts):
        raise ValueError("is not a list of texts")
    return tuple(texts)


def _urls(value: object) -> tuple[str, ...]:
    urls = _texts(value)
    if len(urls) > MAX_URLS or not all("://" in url for url in urls):
        raise ValueError(
            f"is not a list of up to {MAX_URLS} URLs, such as mailto://user:password@example.org"
        )
    return urls


def _delay(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise ValueError(f"{quoted(value)} is not a duration, such as 5m")
    return float(parse_duration(str(value)))


def _hours(value: object) -> Hours | None:
    if value == "":
        return None
    match = _HOURS.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError(f"{quoted(value)} is not a time of the day, such as 22:00-07:00")
    return time(int(match[1]), int(match[2])), time(int(match[3]), int(match[4]))


def _kinds(value: object) -> frozenset[str]:
    kinds = _texts(value)
    for kind in kinds:
        if kind not in KINDS:
            raise ValueError(f"{quoted(kind)} is not one of {', '.join(KINDS)}{nearest(kind, KINDS)}")
    return frozenset(kinds)


@attrs.frozen
class NotifyTable:
    """The keys of `[plugin.notify]`.

    Attributes:
        urls: where to send messages; without any, the plugin does nothing.
        delay: seconds that a port must be closed, or a list unreadable, before a message is sent.
        quiet_hours: begin and end of the time of the day in which no message is sent.
        messages: the kinds of messages to send.
    """

    urls: tuple[str, ...] = attrs.field(default=(), repr=False, metadata={READ: _urls})
    delay: float = attrs.field(default=300.0, metadata={READ: _delay})
    quiet_hours: Hours | None = attrs.field(default=None, metadata={READ: _hours})
    messages: frozenset[str] = attrs.field(default=frozenset(KINDS), metadata={READ: _kinds})


def is_quiet(hours: Hours | None, now: time) -> bool:
    """Return whether a time of the day is in the quiet hours, which may include midnight."""
    if hours is None:
        return False
    begin, end = hours
    return begin <= now < end if begin <= end else now >= begin or now < end
