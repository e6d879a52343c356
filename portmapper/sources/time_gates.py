"""The gates of rows with an end or a schedule."""

from __future__ import annotations

from datetime import datetime, tzinfo

from portmapper.api.model import Mapping, MappingState
from portmapper.sources.gates import PASS, Gate, Verdict
from portmapper.support.duration import format_local


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
        from portmapper.sources.schedules import verdict_of  # few rows have a schedule

        return verdict_of(mapping.schedule, now, zone)

    return gate
