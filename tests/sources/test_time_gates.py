"""The gates of rows with an end or a schedule."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import attrs

from portmapper.api.model import Mapping, MappingState, Protocol
from portmapper.sources.time_gates import schedule_gate, until_gate

BERLIN = ZoneInfo("Europe/Berlin")
SATURDAY = datetime(2026, 6, 6, 18, tzinfo=BERLIN)
WEB = Mapping(Protocol.TCP, 8080, 8080)
GAMES = attrs.evolve(WEB, schedule="Sat,Sun 18:00-23:59")


def test_a_row_without_an_end_passes() -> None:
    """Nothing has to be looked at again."""
    assert until_gate(WEB, SATURDAY).until is None


def test_a_row_closes_at_its_end() -> None:
    """The reason has the time."""
    end = datetime(2026, 12, 31, 18, tzinfo=UTC)
    row = attrs.evolve(WEB, until=end)
    assert until_gate(row, end - timedelta(seconds=1)).until == end
    verdict = until_gate(row, end)
    assert (verdict.state, verdict.until) == (MappingState.WAITING, None)
    assert verdict.reason.startswith("ended at ")


def test_a_row_waits_for_its_window() -> None:
    """The reason has the day and the schedule."""
    verdict = schedule_gate(BERLIN)(GAMES, SATURDAY - timedelta(days=3))
    assert verdict.state is MappingState.WAITING
    assert verdict.reason == "opens Sat 18:00 (schedule Sat,Sun 18:00-23:59)"
    assert verdict.until == SATURDAY


def test_a_row_in_its_window_passes_until_its_end() -> None:
    """The scheduler sees it as any other row."""
    verdict = schedule_gate(BERLIN)(GAMES, SATURDAY)
    assert verdict.state is None
    assert verdict.until == SATURDAY.replace(hour=23, minute=59)


def test_a_window_in_a_week_is_named_with_its_date() -> None:
    """The weekday alone could mean today."""
    row = attrs.evolve(WEB, schedule="Sat 18:00-19:00")
    verdict = schedule_gate(BERLIN)(row, SATURDAY.replace(hour=20))
    assert verdict.reason.startswith("opens Sat 2026-06-13 18:00 ")
