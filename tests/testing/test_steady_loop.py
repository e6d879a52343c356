"""The loop of the tests does not count the time in which the machine was busy."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable

import pytest

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has the loop of the program")


async def test_a_standstill_is_no_delay() -> None:
    """The time limit still has most of its seconds."""
    async with asyncio.timeout(0.1):
        time.sleep(0.2)
        await asyncio.sleep(0.01)


async def test_timers_fire_in_their_order_after_a_standstill() -> None:
    """What the first one starts comes before the second one."""
    fired: list[str] = []
    loop = asyncio.get_running_loop()
    loop.call_later(0.01, lambda: loop.call_later(0.01, fired.append, "its result"))
    loop.call_later(0.05, fired.append, "the limit")
    time.sleep(0.2)
    await asyncio.sleep(0.1)
    assert fired == ["its result", "the limit"]


async def test_an_idle_loop_follows_the_real_time() -> None:
    """A wait takes as long as it says."""
    began = time.monotonic()
    await asyncio.sleep(0.05)
    assert time.monotonic() - began >= 0.05


@pytest.mark.usefixtures("hurry")
async def test_a_test_can_hurry() -> None:
    """Its waits are shorter than they say."""
    began = time.monotonic()
    await asyncio.sleep(5)
    assert time.monotonic() - began < 5


@pytest.mark.usefixtures("hurry")
async def test_nothing_hurries_while_a_thread_works() -> None:
    """It has the real time."""
    async with asyncio.timeout(4.9):
        await asyncio.to_thread(time.sleep, 0.5)


async def test_a_test_can_stand_still(stand_still: Callable[[float], None]) -> None:
    """All timers of that time are due at once."""
    waiting = asyncio.create_task(asyncio.sleep(100))
    await asyncio.sleep(0)
    stand_still(200)
    await waiting
