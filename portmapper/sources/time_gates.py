"""The gates of rows with an end or a schedule."""

from __future__ import annotations

from datetime import datetime, tzinfo

from portmapper.api.model import Mapping, MappingState
from portmapper.api.schedule import DAYS, is_inside, next_change, parse_schedule
from portmapper.sources.gates import PASS, Gate, Verdict
from portmapper.support.duration import format_local

SOON = 6
"""Days within which a weekday names one day."""


def until_gate(mapping: Mapping, now: datetime) -> Verdict:
    """Hold back a row that has ended."""
    if mapping.until is None:
        return PASS
    if now < mapping.until:
        return Verdict(until=mapping.until)
    return Verdict(MappingState.WAITING, f"ended at {format_local(mapping.until)} (its field until)")


def schedule_gate(zone: tzinfo | None = None) -> Gate:
    """Return the gate of schedules; `zone` is None for this host's time zone."""

    def gate(mapping: Mapping, now: datetime) -> Verdict:
        if not mapping.schedule:
            return PASS
        windows = parse_schedule(mapping.schedule)
        change = next_change(windows, now, zone)
        if is_inside(windows, now, zone):
            return Verdict(until=change)
        opens = f"opens {_local(change, now, zone)}" if change else "does not open within two weeks"
        return Verdict(MappingState.WAITING, f"{opens} (schedule {mapping.schedule})", change)

    return gate


def _local(moment: datetime, now: datetime, zone: tzinfo | None) -> str:
    local = moment.astimezone(zone)
    day = DAYS[local.weekday()]
    if (moment - now).days < SOON:
        return f"{day} {local:%H:%M}"
    return f"{day} {local:%Y-%m-%d %H:%M}"
