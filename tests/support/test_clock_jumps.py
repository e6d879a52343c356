"""Reports of the kernel that the wall clock jumped."""

from __future__ import annotations

import asyncio
import sys

import pytest

from portmapper.support import clock_jumps
from portmapper.support.clock_jumps import watching_jumps


@pytest.mark.skipif(sys.platform != "linux", reason="has no timerfd")
async def test_each_report_is_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test cannot let the clock jump, so the timer ends instead; it is set again each time."""
    monkeypatch.setattr(clock_jumps, "_YEAR", -1)
    reports: asyncio.Queue[int] = asyncio.Queue()
    async with asyncio.timeout(60):
        with watching_jumps(lambda: reports.put_nowait(1)) as are_reported:
            assert are_reported
            await reports.get()
            await reports.get()


async def test_nothing_is_reported_without_a_jump() -> None:
    """An idle process is not woken."""
    reports: list[int] = []
    with watching_jumps(lambda: reports.append(1)):
        await asyncio.sleep(0.05)
    assert reports == []


async def test_a_system_without_such_timers_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its waits look at the clock from time to time."""
    monkeypatch.setattr(sys, "platform", "darwin")
    with watching_jumps(lambda: None) as are_reported:
        assert not are_reported
