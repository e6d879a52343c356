"""The daemon notices that its event loop was blocked, or that its scheduler has stopped."""

from __future__ import annotations

import asyncio

import pytest

from portmapper.daemon import pulse
from portmapper.daemon.pulse import LATE, OVERDUE, REPORTED, STUCK, Pulse
from portmapper.daemon.systemd import ServiceManager, keep_notifying
from portmapper.support.clock import Clock


def test_a_blocked_event_loop_is_reported_for_a_while(caplog: pytest.LogCaptureFixture) -> None:
    """It is logged once; a short delay is no problem."""
    watched = Pulse(lambda: -1.0)
    watched.look(2.0)
    assert not any(watched.problems.values())
    watched.look(31.4)
    assert watched.problems["event loop"] == "the event loop did not run for 31 s"
    for _ in range(REPORTED):
        watched.look(0.0)
    assert not any(watched.problems.values())
    assert len(caplog.records) == 1


def test_a_scheduler_that_has_stopped_is_a_problem_and_then_ends_the_watchdog_pings() -> None:
    """A moment of lateness, as after a suspend, is neither; it counts from the start after each round."""
    lateness = 9999.0
    watched = Pulse(lambda: lateness)
    for _ in range(OVERDUE):
        assert not any(watched.problems.values())
        watched.look(0.0)
    assert watched.problems["scheduler rounds"]
    for _ in range(STUCK - OVERDUE):
        assert not watched.is_stuck
        watched.look(0.0)
    assert watched.is_stuck
    lateness = LATE / 2
    watched.look(0.0)
    assert not watched.is_stuck
    assert not any(watched.problems.values())


async def test_it_measures_how_long_the_event_loop_is_blocked(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a clock that stops during a suspend."""
    monkeypatch.setattr(pulse, "PERIOD", 0.0)
    times = iter([0.0, 0.0, 0.0, 40.0])
    asked = asyncio.Event()

    def clock() -> float:
        at = next(times, None)
        if at is None:
            asked.set()
        return 40.0 if at is None else at

    watched = Pulse(lambda: 0.0, clock)
    task = asyncio.create_task(watched.run())
    async with asyncio.timeout(60):
        await asked.wait()
    task.cancel()
    assert watched.problems["event loop"] == "the event loop did not run for 40 s"


async def test_a_daemon_that_is_stuck_sends_no_watchdog_pings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its status is still sent; systemd then starts the daemon again."""
    sent: list[str] = []
    enough = asyncio.Event()

    def notify(*lines: str) -> None:
        sent.extend(lines)
        if len(sent) >= 3:
            enough.set()

    service = ServiceManager()
    monkeypatch.setattr(service, "notify", notify)
    service.ping_interval = 0.01
    task = asyncio.create_task(
        keep_notifying(service, lambda: "stuck", lambda _: lambda: None, Clock(), lambda: True)
    )
    async with asyncio.timeout(60):
        await enough.wait()
    task.cancel()
    assert set(sent) == {"READY=1", "STATUS=stuck"}
