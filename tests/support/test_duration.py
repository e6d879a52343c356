"""Durations and times as people write and read them."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import pytest

from portmapper.support.duration import format_duration, format_local, parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0),
        ("90", 90),
        ("90s", 90),
        ("15m", 900),
        ("1h", 3600),
        ("7d", 604_800),
        ("2w", 1_209_600),
        ("1h30m", 5400),
        (" 1H 30M ", 5400),
        ("15 m", 900),
        ("2 hours", 7200),
        ("1 day 30min", 88_200),
    ],
)
def test_seconds_and_units_are_parsed(text: str, seconds: int) -> None:
    """A number without a unit is in seconds; units may be combined."""
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "h", "1.5h", "-1", "1x", "1h-", "٩", "1 hour x", "9" * 11, "1e3"])
def test_the_message_says_what_to_write(text: str) -> None:
    """Fractions, signs and unknown units are rejected."""
    with pytest.raises(ValueError, match="such as 90, 90s, 15m, 1h or 7d"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-3, "0s"), (12.9, "12s"), (3591, "59m 51s"), (7200, "2h 0m"), (90_000, "1d 1h")],
)
def test_the_two_largest_units_are_shown(seconds: float, text: str) -> None:
    """A time in the past is shown as zero."""
    assert format_duration(seconds) == text


def test_local_time_shows_its_zone() -> None:
    """The offset tells readers in other zones when it was."""
    shown = format_local(datetime(2026, 11, 28, 10, 24, 43, 5, tzinfo=UTC))
    assert datetime.fromisoformat(shown) == datetime(2026, 11, 28, 10, 24, 43, tzinfo=UTC)
    assert "." not in shown


@pytest.mark.parametrize("zone", ["UTC", "Pacific/Kiritimati", "Pacific/Niue"])
@pytest.mark.parametrize("moment", [datetime.min, datetime.max, datetime(1970, 1, 1), datetime(2106, 2, 7)])
def test_a_date_at_the_end_of_the_calendar_is_shown(
    moment: datetime, zone: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The clock of a host without a battery may show anything."""
    use_zone = getattr(time, "tzset", lambda: None)  # Windows has one zone for all processes
    monkeypatch.setenv("TZ", zone)
    use_zone()
    try:
        shown = datetime.fromisoformat(format_local(moment.replace(tzinfo=UTC)))
    finally:
        monkeypatch.undo()
        use_zone()
    assert shown == moment.replace(tzinfo=UTC, microsecond=0)
