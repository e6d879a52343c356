"""The real clock."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC

import pytest

from portmapper.support.clock import LONGEST_SLEEP, Clock


def test_the_monotonic_clock_includes_suspended_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """CLOCK_BOOTTIME is used if the system has it; otherwise the clock of Python."""
    monkeypatch.setattr(time, "CLOCK_BOOTTIME", 7, raising=False)
    monkeypatch.setattr(time, "clock_gettime", lambda clock: {7: 500.0}[clock], raising=False)
    assert Clock().monotonic() == 500.0
    monkeypatch.delattr(time, "CLOCK_BOOTTIME")
    monkeypatch.setattr(time, "monotonic", lambda: 3.0)
    assert Clock().monotonic() == 3.0


def test_a_clock_that_a_sandbox_forbids_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock of Python works in every sandbox."""

    def forbidden(clock: int) -> float:
        raise PermissionError

    monkeypatch.setattr(time, "clock_gettime", forbidden, raising=False)
    assert Clock().monotonic() == pytest.approx(time.monotonic(), abs=60)


def test_the_wall_clock_is_in_utc() -> None:
    """Dates in the journal and in JSON have a time zone."""
    assert Clock().now().tzinfo is UTC


async def test_wait_returns_whether_the_event_was_set() -> None:
    """A set event returns immediately, even without a time limit; an unset one after the limit."""
    event = asyncio.Event()
    assert not await Clock().wait(event, 0.01)
    event.set()
    assert await Clock().wait(event, None)


async def test_wait_counts_suspended_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """The timers of the event loop stop during a suspend; the wait ends soon after it."""
    clock, asleep = Clock(), [0.0]
    awake = Clock.monotonic
    monkeypatch.setattr(Clock, "monotonic", lambda self: awake(self) + asleep[0])
    monkeypatch.setattr(Clock, "longest_sleep", 0.02)
    asyncio.get_running_loop().call_later(0.03, asleep.__setitem__, 0, 7200.0)
    async with asyncio.timeout(60):
        assert not await clock.wait(asyncio.Event(), 3600)


async def test_a_short_wait_does_not_look_at_the_clock_before_its_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An idle daemon waits for its interval of a minute, and is woken once for that."""
    limits: list[float | None] = []
    timeout = asyncio.timeout
    monkeypatch.setattr(asyncio, "timeout", lambda left: limits.append(left) or timeout(0.01))
    monkeypatch.setattr(Clock, "longest_sleep", 60.0)
    times = itertools.chain([50.0, 50.0], itertools.repeat(110.0))
    monkeypatch.setattr(Clock, "monotonic", lambda self: next(times))
    assert not await Clock().wait(asyncio.Event(), 60.0)
    assert limits == [60.0]


async def test_a_jump_of_the_clock_ends_the_waits_that_are_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel reports the end of a suspend, so nothing needs to look for it; other waits go on."""
    clock, asleep = Clock(), [0.0]
    awake = Clock.monotonic
    monkeypatch.setattr(Clock, "monotonic", lambda self: awake(self) + asleep[0])
    monkeypatch.setattr("portmapper.support.clock_jumps.watching_jumps", reported)
    watch = asyncio.create_task(clock.watch())
    short, long = (asyncio.create_task(clock.wait(asyncio.Event(), hours * 3600)) for hours in (1, 3))
    await asyncio.sleep(0)
    asleep[0] = 7200.0
    async with asyncio.timeout(60):
        reports[-1]()
        assert not await short
    assert not long.done()
    assert clock.longest_sleep == LONGEST_SLEEP
    for task in (watch, long):
        task.cancel()
    await asyncio.gather(watch, long, return_exceptions=True)
    assert clock.longest_sleep == Clock.longest_sleep  # nothing reports jumps any more


reports: list[Callable[[], object]] = []


@contextmanager
def reported(notify: Callable[[], object]) -> Iterator[bool]:
    """Report jumps as the kernel does."""
    reports.append(notify)
    yield True
