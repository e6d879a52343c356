"""When a port is open: only while a program listens, until a date, or on a schedule."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from portmapper.api import canonical_schedule, parse_until, quoted
from portmapper_kubernetes.rejections import InvalidSpec

FIELDS = ("when", "until", "schedule")
WHEN = ("always", "listening")


@attrs.frozen
class Times:
    """The fields of a row that open and close it by themselves; empty text omits a field."""

    when: str = ""
    until: str = ""
    schedule: str = ""

    @property
    def fields(self) -> dict[str, str]:
        """The fields for a row."""
        return {name: text for name, text in attrs.asdict(self).items() if text}


def read_times(given: Mapping[str, Any]) -> Times:
    """Return the checked fields. Raise `InvalidSpec` with the name of the field if one is invalid."""
    when, until, schedule = (str(given.get(name) or "") for name in FIELDS)
    if when and when.lower() not in WHEN:
        raise InvalidSpec(f"when {quoted(when)} is not one of {', '.join(WHEN)}")
    try:
        end = parse_until(until).isoformat() if until else ""
    except ValueError as error:
        raise InvalidSpec(f"until: {error}") from None
    try:
        windows = canonical_schedule([schedule]) if schedule else ""
    except ValueError as error:
        raise InvalidSpec(f"schedule: {error}") from None
    return Times(when.lower(), end, windows)
