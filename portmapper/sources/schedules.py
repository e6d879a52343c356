"""Whether a row with a schedule is open at the moment. Imported only for such a row."""

from __future__ import annotations

from datetime import datetime, tzinfo

from portmapper.api.model import MappingState
from portmapper.api.schedule import DAYS, is_inside, next_change, parse_schedule
from portmapper.sources.gates import Verdict

SOON = 6
"""Days within which a weekday names one day."""


def verdict_of(schedule: str, now: datetime, zone: tzinfo | None) -> Verdict:
    """Decide about a row with this schedule."""
    windows = parse_schedule(schedule)
    change = next_change(windows, now, zone)
    if is_inside(windows, now, zone):
        return Verdict(until=change)
    opens = f"opens {_local(change, now, zone)}" if change else "does not open within two weeks"
    return Verdict(MappingState.WAITING, f"{opens} (schedule {schedule})", change)


def _local(moment: datetime, now: datetime, zone: tzinfo | None) -> str:
    local = moment.astimezone(zone)
    day = DAYS[local.weekday()]
    if (moment - now).days < SOON:
        return f"{day} {local:%H:%M}"
    return f"{day} {local:%Y-%m-%d %H:%M}"
