"""The wall clock at times that Python cannot tell."""

from __future__ import annotations

import logging
import time
from datetime import UTC, datetime
from typing import Any

import pytest

from portmapper.support import bounded_time, wall_clock


def overflow(*_: Any) -> Any:
    """Fail as Python does after 2262."""
    raise OverflowError("timestamp too large to convert to C _PyTime_t")


@pytest.mark.parametrize("error", [OverflowError, ValueError])
def test_a_date_that_python_cannot_tell_is_the_latest(
    monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    """After 2262 and after 9999."""

    class Late(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            raise error

    assert abs(wall_clock.wall_now() - datetime.now(UTC)).total_seconds() < 60
    monkeypatch.setattr(wall_clock, "datetime", Late)
    assert wall_clock.wall_now() == wall_clock.LATEST


@pytest.mark.parametrize("seconds", [overflow, lambda: 1e15])
def test_the_log_works_at_any_time(monkeypatch: pytest.MonkeyPatch, seconds: Any) -> None:
    """The library asks for the time of each record, from Python 3.13 on in nanoseconds."""
    monkeypatch.setattr(time, "time", time.time)
    monkeypatch.setattr(time, "time_ns", time.time_ns)
    monkeypatch.setattr(bounded_time, "_seconds", seconds)
    monkeypatch.setattr(bounded_time, "_nanoseconds", lambda: int(seconds()) * 10**9)
    bounded_time.bound_time()
    record = logging.makeLogRecord({})
    assert record.created == wall_clock.LATEST.timestamp()
