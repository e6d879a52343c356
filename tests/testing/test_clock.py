"""The fake clock."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from portmapper.testing import FakeClock
from portmapper.testing import clock as clock_module


async def test_the_clock_moves_only_by_advance() -> None:
    """Monotonic and wall-clock time advance together."""
    clock = FakeClock(datetime(2026, 1, 1, tzinfo=UTC))
    before = clock.monotonic()
    await clock.advance(3600)
    assert clock.monotonic() - before == 3600
    assert clock.now() == datetime(2026, 1, 1, 1, tzinfo=UTC)


async def test_timers_fire_in_order_and_at_their_time(clock: FakeClock) -> None:
    """A timer that starts another one within the interval lets both fire."""
    start = clock.monotonic()
    fired: list[int] = []

    async def work() -> None:
        for seconds in (10, 20):
            await asyncio.sleep(seconds)
            fired.append(round(clock.monotonic() - start))

    task = asyncio.create_task(work())
    await clock.advance(9)
    assert fired == []
    await clock.advance(21.1)
    assert fired == [10, 30]
    assert task.done()


async def test_sleep_skips_the_time_between(clock: FakeClock) -> None:
    """On a host that was suspended, a timer fires late."""
    start = clock.monotonic()
    fired: list[float] = []
    asyncio.get_running_loop().call_later(10, lambda: fired.append(clock.monotonic() - start))
    await clock.sleep(100)
    assert fired == [100]


async def test_the_wall_clock_can_be_set(clock: FakeClock) -> None:
    """Monotonic time does not change, as with NTP."""
    monotonic, now = clock.monotonic(), clock.now()
    clock.set_wall(-60)
    assert (now - clock.now()).total_seconds() == 60
    assert clock.monotonic() == monotonic


async def test_code_that_never_waits_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    """The test fails instead of hanging."""
    monkeypatch.setattr(clock_module, "MAX_ITERATIONS", 10)

    async def spin() -> None:
        while True:
            await asyncio.sleep(0)

    task = asyncio.create_task(spin())
    with pytest.raises(AssertionError, match="runs forever"):
        await FakeClock().settle()
    task.cancel()


async def test_the_loop_gets_its_time_back() -> None:
    """After the block, the event loop uses real time."""
    loop, clock = asyncio.get_running_loop(), FakeClock()
    with clock.driving(loop):
        assert loop.time() == clock.monotonic()
    assert loop.time() != clock.monotonic()
