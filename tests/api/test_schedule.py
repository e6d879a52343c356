"""Schedules: parsing, and local time across daylight saving."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portmapper.api.schedule import canonical_schedule, is_inside, next_change, parse_schedule

BERLIN = ZoneInfo("Europe/Berlin")


def at(text: str, fold: int = 0) -> datetime:
    """Return a moment from local time in Berlin. 2026-06-06 is a Saturday."""
    return datetime.fromisoformat(text).replace(tzinfo=BERLIN, fold=fold).astimezone(UTC)


def inside(schedule: str, moment: str, fold: int = 0) -> bool:
    """Return whether a schedule is open at a local time."""
    return is_inside(parse_schedule(schedule), at(moment, fold), BERLIN)


def change(schedule: str, moment: str, fold: int = 0) -> datetime | None:
    """Return when that changes next."""
    return next_change(parse_schedule(schedule), at(moment, fold), BERLIN)


@pytest.mark.parametrize(
    ("schedule", "moment", "open_"),
    [
        ("Sat,Sun 18:00-23:59", "2026-06-06T18:00", True),
        ("Sat,Sun 18:00-23:59", "2026-06-06T17:59", False),
        ("Sat,Sun 18:00-23:59", "2026-06-06T23:59", False),
        ("Sat,Sun 18:00-23:59", "2026-06-05T18:00", False),
        ("Mon-Fri 08:00-12:00,13:00-18:00", "2026-06-05T12:30", False),
        ("Mon-Fri 08:00-12:00,13:00-18:00", "2026-06-05T13:00", True),
        ("Sat-Mon 08:00-09:00", "2026-06-08T08:30", True),
        ("Fri 22:00-02:00", "2026-06-06T01:59", True),
        ("Fri 22:00-02:00", "2026-06-06T02:00", False),
        ("Fri 22:00-02:00", "2026-06-05T01:00", False),
        ("Sun 22:00-02:00", "2026-06-08T01:00", True),
        ("08:00-09:00", "2026-06-06T08:30", True),
        ("daily 00:00-24:00", "2026-06-06T23:59", True),
        ("Sat 08:00-09:00; Sun 10:00-11:00", "2026-06-07T10:30", True),
        ("sat, SUN 18:00 - 23:00", "2026-06-07T18:30", True),
    ],
)
def test_a_schedule_is_by_weekday_and_local_time(schedule: str, moment: str, open_: bool) -> None:
    """The start is inside, the end is not. A range over midnight belongs to the day on which it begins."""
    assert inside(schedule, moment) is open_


@pytest.mark.parametrize(
    ("schedule", "moment", "expected"),
    [
        ("Sat,Sun 18:00-23:59", "2026-06-03T12:00", "2026-06-06T18:00"),
        ("Sat,Sun 18:00-23:59", "2026-06-06T20:00", "2026-06-06T23:59"),
        ("Fri 22:00-02:00", "2026-06-05T23:00", "2026-06-06T02:00"),
        ("Sat 08:00-24:00; Sun 00:00-10:00", "2026-06-06T09:00", "2026-06-07T10:00"),
        ("Mon 08:00-09:00", "2026-06-08T09:00", "2026-06-15T08:00"),
    ],
)
def test_the_next_change_is_known(schedule: str, moment: str, expected: str) -> None:
    """Windows that touch are one."""
    assert change(schedule, moment) == at(expected)


def test_a_schedule_without_an_end_never_changes() -> None:
    """It is always open."""
    assert change("daily 00:00-24:00", "2026-06-06T12:00") is None


def test_a_window_in_the_skipped_hour_is_not_open_that_day() -> None:
    """The next one is a week later, at the same local time."""
    assert change("Sun 02:15-02:45", "2026-03-29T00:00") == at("2026-04-05T02:15")


def test_a_window_ends_when_the_clock_is_set_past_its_end() -> None:
    """01:30-02:30 lasts half an hour if 02:00 is 03:00."""
    assert change("Sun 01:30-02:30", "2026-03-29T01:45") == at("2026-03-29T03:00")


def test_a_repeated_hour_is_open_twice() -> None:
    """The local clock shows it twice."""
    assert inside("Sun 02:15-02:45", "2026-10-25T02:30", fold=0)
    assert inside("Sun 02:15-02:45", "2026-10-25T02:30", fold=1)
    assert change("Sun 02:15-02:45", "2026-10-25T02:30", fold=0) == at("2026-10-25T02:45", fold=0)
    assert change("Sun 02:15-02:45", "2026-10-25T02:50", fold=0) == at("2026-10-25T02:15", fold=1)


def test_the_local_time_stays_the_same_across_daylight_saving() -> None:
    """18:00 is 17:00 UTC in winter and 16:00 UTC in summer."""
    assert change("daily 18:00-19:00", "2026-03-28T20:00") == datetime(2026, 3, 29, 16, tzinfo=UTC)
    assert change("daily 18:00-19:00", "2026-10-24T20:00") == datetime(2026, 10, 25, 17, tzinfo=UTC)


@given(
    days=st.integers(0, 800),
    minute=st.integers(0, 1439),
    schedule=st.sampled_from(
        ["Sun 01:30-02:30", "Sat 22:00-03:15", "Mon-Fri 08:00-12:00,13:00-18:00", "daily 02:00-03:00"]
    ),
)
def test_nothing_changes_before_the_next_change(days: int, minute: int, schedule: str) -> None:
    """And at that moment the answer is another one."""
    windows = parse_schedule(schedule)
    now = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=days, minutes=minute)
    then = next_change(windows, now, BERLIN)
    assert then is not None
    before = is_inside(windows, now, BERLIN)
    assert is_inside(windows, then, BERLIN) is not before
    for part in range(20):
        assert is_inside(windows, now + (then - now) * part / 20, BERLIN) is before


@pytest.mark.parametrize(
    ("entries", "hint"),
    [
        (["soon"], "'soon' is not a schedule: write days and local times, such as 'Sat,Sun 18:00-23:59'"),
        (["Sat"], "is not a schedule"),
        (["Sat 18-23"], "'18-23' is not a range of times"),
        (["Sat 18:00-25:00"], "'18:00-25:00' is not a range of times"),
        (["Sat 18:60-19:00"], "is not a range of times"),
        (["Sat 18:00-18:00"], "write 00:00-24:00 for a whole day"),
        (["Caturday 18:00-19:00"], "'Caturday' is not a day; the days are Mon, Tue"),
        (["Mon-Foo 18:00-19:00"], "is not a day"),
        ([" ; "], "is empty"),
        (["Sat 18:00-19:00;" * 200], "is longer than 1000 characters"),
    ],
)
def test_an_invalid_schedule_says_what_to_write(entries: list[str], hint: str) -> None:
    """The message names the invalid part."""
    with pytest.raises(ValueError, match=re.escape(hint)):
        canonical_schedule(entries)


def test_a_list_of_schedules_is_one_schedule() -> None:
    """JSON and TOML have lists."""
    text = canonical_schedule(["Mon-Fri  08:00-12:00", "Sat 10:00-11:00"])
    assert text == "Mon-Fri 08:00-12:00; Sat 10:00-11:00"
