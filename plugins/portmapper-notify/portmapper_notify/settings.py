"""The table `[plugin.notify]`."""

from __future__ import annotations

import re
from datetime import time

import attrs

from portmapper.api import READ, nearest, quoted
from portmapper.support.duration import parse_duration

MAX_URLS = 16
KINDS = ("closed", "open", "address", "cgnat", "list")
_DELAYED = ("closed", "list")
"""The kinds for which `[plugin.notify] delay` counts."""

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


def _hours(value: object) -> tuple[Hours, ...]:
    if value == "":
        return ()
    match = _HOURS.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError(f"{quoted(value)} is not a time of the day, such as 22:00-07:00")
    return ((time(int(match[1]), int(match[2])), time(int(match[3]), int(match[4]))),)


def _kinds(value: object) -> frozenset[str]:
    kinds = _texts(value)
    for kind in kinds:
        if kind not in KINDS:
            raise ValueError(f"{quoted(kind)} is not one of {', '.join(KINDS)}{nearest(kind, KINDS)}")
    return frozenset(kinds)


@attrs.frozen
class KindTable:
    """The keys of a table such as `[plugin.notify.closed]`; None means as in `[plugin.notify]`.

    Attributes:
        enabled: whether such messages are sent.
        delay: seconds that it must be true before a message is sent.
        quiet_hours: begin and end of the time of the day in which no such message is sent.
        urls: where to send such messages.
    """

    enabled: bool = True
    delay: float | None = attrs.field(default=None, metadata={READ: _delay})
    quiet_hours: tuple[Hours, ...] | None = attrs.field(default=None, metadata={READ: _hours})
    urls: tuple[str, ...] | None = attrs.field(default=None, repr=False, metadata={READ: _urls})


@attrs.frozen
class NotifyTable:
    """The keys of `[plugin.notify]`.

    Attributes:
        urls: where to send messages; without any, the plugin does nothing.
        delay: seconds that a port must be closed, or a list unreadable, before a message is sent.
        quiet_hours: begin and end of the time of the day in which no message is sent.
        messages: the kinds of messages to send.
        closed: rule for ports that stay closed.
        open: rule for ports that are open again.
        address: rule for a new external address.
        cgnat: rule for a gateway that is behind CGNAT now.
        list: rule for lists that are unreadable, and readable again.
    """

    urls: tuple[str, ...] = attrs.field(default=(), repr=False, metadata={READ: _urls})
    delay: float = attrs.field(default=300.0, metadata={READ: _delay})
    quiet_hours: tuple[Hours, ...] = attrs.field(default=(), metadata={READ: _hours})
    messages: frozenset[str] = attrs.field(default=frozenset(KINDS), metadata={READ: _kinds})
    closed: KindTable = KindTable()
    open: KindTable = KindTable()
    address: KindTable = KindTable()
    cgnat: KindTable = KindTable()
    list: KindTable = KindTable()


@attrs.frozen
class Rule:
    """How the messages of one kind are sent.

    Attributes:
        delay: seconds that it must be true before a message is sent.
        quiet_hours: times of the day in which no message is sent.
        urls: where to send them.
    """

    delay: float
    quiet_hours: tuple[Hours, ...]
    urls: tuple[str, ...] = attrs.field(repr=False)


def rules_of(table: NotifyTable) -> dict[str, Rule]:
    """Return the rule of each kind of message that is sent."""
    rules = {}
    for kind in KINDS:
        own: KindTable = getattr(table, kind)
        urls = table.urls if own.urls is None else own.urls
        if not (own.enabled and kind in table.messages and urls):
            continue
        delay = table.delay if kind in _DELAYED else 0.0
        rules[kind] = Rule(
            delay=delay if own.delay is None else own.delay,
            quiet_hours=table.quiet_hours if own.quiet_hours is None else own.quiet_hours,
            urls=tuple(dict.fromkeys(urls)),
        )
    return rules


def is_quiet(periods: tuple[Hours, ...], now: time) -> bool:
    """Return whether a time of the day is in the quiet hours, which may include midnight."""
    return any(begin <= now < end if begin <= end else now >= begin or now < end for begin, end in periods)
