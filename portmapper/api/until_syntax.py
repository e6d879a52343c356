"""The end of a row: a date and time in RFC 3339."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from portmapper.api.errors import quoted

YEARS = range(2000, 9000)
"""Beyond these years, local time may not be a valid date."""

_RFC3339 = r"(?a)\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(\.\d{1,6})?([Zz]|[+-]\d{2}:\d{2})\Z"
_HINT = "write a date and time with its zone, such as 2026-12-31T18:00:00Z or 2026-12-31T18:00:00+01:00"


def parse_until(value: object) -> datetime:
    """Parse a time in RFC 3339, or one that TOML has parsed, to UTC.

    Raises:
        ValueError: the value is not a time with its zone; the message says what to write.
    """
    moment = value if isinstance(value, datetime) else _moment(value)
    if moment is None or moment.tzinfo is None or moment.year not in YEARS:
        raise ValueError(f"{quoted(value if isinstance(value, str) else str(value))} is not a time: {_HINT}")
    return moment.astimezone(UTC)


def _moment(value: object) -> datetime | None:
    if not isinstance(value, str) or not re.match(_RFC3339, value.strip()):
        return None
    try:
        return datetime.fromisoformat(value.strip().upper())
    except ValueError:
        return None
