"""The end of a row."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from portmapper.api.until_syntax import parse_until

END = datetime(2026, 12, 31, 18, tzinfo=UTC)


@pytest.mark.parametrize(
    "value",
    [
        "2026-12-31T18:00:00Z",
        "2026-12-31t18:00:00z",
        "2026-12-31 18:00:00Z",
        "2026-12-31T19:00:00+01:00",
        "2026-12-31T18:00:00.000Z",
        END,
        END.astimezone(timezone(timedelta(hours=-5))),
    ],
)
def test_a_time_with_its_zone_is_accepted(value: object) -> None:
    """In RFC 3339, or as TOML parses it."""
    assert parse_until(value) == END


@pytest.mark.parametrize(
    "value",
    [
        "2026-12-31",
        "2026-12-31T18:00:00",
        "tomorrow",
        "2026-13-31T18:00:00Z",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59Z",
        1798740000,
        True,
        datetime(2026, 12, 31, 18),
        "2026-12-31T18:00:00Z" * 100,
    ],
)
def test_another_value_is_rejected_with_an_example(value: object) -> None:
    """A time without a zone could be meant in several ways."""
    with pytest.raises(ValueError, match="write a date and time with its zone, such as 2026-12-31T18:00:00Z"):
        parse_until(value)
